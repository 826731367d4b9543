//! Pixels to patch rows for the GLM-V vision encoder, equal to those of transformers' `Glm4vImageProcessor` and its
//! video processors.
//!
//! [`open`] and [`decode`] read a picture as transformers' `load_image` does; [`ImageProcessor`] resizes it, normalizes
//! it and cuts it into the rows of [`Patches`], any number of pictures of any sizes in one batch. All of it runs on the
//! host. How many tokens a picture will take is known from its size alone ([`ImageProcessor::grid`]).
//!
//! ```
//! use glm4v_config::{GridThw, Preset};
//! use glm4v_preprocess::ImageProcessor;
//! use image::DynamicImage;
//!
//! let processor = ImageProcessor::new(Preset::Glm41V9B.image_processor());
//! assert_eq!(processor.grid(480, 640)?.num_tokens(2), 17 * 23);
//!
//! let patches = processor.images(&[DynamicImage::new_rgb8(640, 480), DynamicImage::new_rgb8(90, 62)])?;
//! assert_eq!(patches.grids(), [GridThw::new(1, 34, 46), GridThw::new(1, 6, 8)]);
//! assert_eq!(patches.pixel_values().shape(), [34 * 46 + 6 * 8, 3 * 2 * 14 * 14]);
//! # Ok::<(), glm4v_preprocess::PreprocessError>(())
//! ```
//!
//! [`VideoProcessor`] does the same with clips, whose frames come from any iterator: it takes those that
//! [`sample_frames`] names, and says when they are shown.
//!
//! ```
//! use glm4v_config::{GridThw, VideoProcessorConfig};
//! use glm4v_preprocess::{ClipInfo, VideoProcessor};
//! use image::RgbImage;
//!
//! let processor = VideoProcessor::new(VideoProcessorConfig::default());
//! let info = ClipInfo::new(48, 24.0); // frames, frames a second
//! let clip = processor.clip((0..48).map(|_| RgbImage::new(640, 480)), &info)?;
//! assert_eq!(clip.frames_indices, [0, 12, 24, 36, 47, 47]);
//! assert_eq!(clip.timestamps, [0.0, 1.0, 47.0 / 24.0]);
//! assert_eq!(clip.patches.grids(), [GridThw::new(3, 34, 46)]);
//! # Ok::<(), glm4v_preprocess::PreprocessError>(())
//! ```
//!
//! [`Media::open`] tells pictures from clips, and reads the latter from video files (by the programs ffmpeg and ffprobe),
//! animated pictures and folders of frames; [`VideoProcessor::read`] then reads no frames but those that are sampled.
//!
//! ```no_run
//! use glm4v_config::VideoProcessorConfig;
//! use glm4v_preprocess::{Media, MediaOptions, VideoProcessor};
//!
//! let processor = VideoProcessor::new(VideoProcessorConfig::default());
//! if let Media::Clip(source) = Media::open("cat.mp4", &MediaOptions::default())? {
//!     let clip = processor.read(&source)?;
//!     println!("{} of {} frames", clip.frames_indices.len(), source.info().num_frames);
//! }
//! # Ok::<(), glm4v_preprocess::PreprocessError>(())
//! ```
//!
//! [`Media::probe`] reads no more than headers; [`Patches::read`] then reads any number of pictures and clips into one
//! batch, on all cores.
//!
//! With the feature `libjpeg`, on by default, JPEG is decoded by libjpeg, in C, to exactly Pillow's pixels. Without it
//! the decoder is Rust, and differs from Pillow by up to 5 levels in some per cent of the values. libjpeg's errors
//! unwind: built with `panic = "abort"`, a program ends at a damaged JPEG.

mod batch;
mod clip;
mod contain;
mod error;
mod formats;
mod gif;
mod held;
#[cfg(feature = "libjpeg")]
mod jpeg;
mod media;
mod normalize;
mod open;
mod orientation;
mod patches;
mod patchify;
mod pick;
mod png_key;
mod processor;
mod resize;
mod rgb;
mod sampling;
mod smart_resize;
mod source;
mod still;
mod target;
mod unpatchify;
mod video;

pub use batch::Unread;
pub use clip::{Clip, ClipInfo};
pub use error::PreprocessError;
pub use held::{Held, reading_clip, resizing};
pub use media::{Media, MediaInfo, MediaOptions};
pub use open::{OpenOptions, decode, open};
pub use patches::{Iter, PatchRows, Patches};
pub use processor::ImageProcessor;
pub use sampling::sample_frames;
pub use smart_resize::smart_resize;
pub use source::ClipSource;
pub use still::StillSource;
pub use unpatchify::unpatchify;
pub use video::VideoProcessor;
