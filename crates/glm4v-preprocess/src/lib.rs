//! Pixels to patch rows for the GLM-V vision encoder, equal to those of the image processors and video processors of
//! transformers. All of it runs on the host.
//!
//! [`Source::open`] opens an image or a video, and reads its header. [`Processor::probe`] computes the grid, and with it
//! the number of tokens. [`Processor::read_batch`] decodes, resizes and normalizes any number of inputs into one batch of
//! [`Patches`], on all cores.
//!
//! ```no_run
//! use glm4v_config::Preset;
//! use glm4v_preprocess::{Processor, ReadOptions, Source};
//!
//! let processor = Processor::from_preset(Preset::Glm41V9B);
//! let image = processor.probe(Source::open("cat.jpg", &ReadOptions::default())?)?;
//! let video = processor.probe(Source::open("cat.mp4", &ReadOptions::default())?)?;
//! println!("{} tokens", video.grid.num_tokens(processor.config().merge_size));
//!
//! // An input that cannot be read has an error at its index, and does not affect the others.
//! let (patches, errors) = processor.read_batch(&[image, video]);
//! println!("{} patches, {} errors", patches.num_patches(), errors.iter().flatten().count());
//! # Ok::<(), glm4v_preprocess::PreprocessError>(())
//! ```
//!
//! Images and frames in memory need no source:
//!
//! ```
//! use glm4v_config::{GridThw, Preset};
//! use glm4v_preprocess::Processor;
//! use image::DynamicImage;
//!
//! let processor = Processor::from_preset(Preset::Glm41V9B);
//! let images = [DynamicImage::new_rgb8(640, 480), DynamicImage::new_rgb8(90, 62)];
//! let patches = processor.preprocess_images(&images)?;
//! assert_eq!(patches.grids(), [GridThw::new(1, 34, 46), GridThw::new(1, 6, 8)]);
//! assert_eq!(patches.pixel_values().shape(), [34 * 46 + 6 * 8, 3 * 2 * 14 * 14]);
//! # Ok::<(), glm4v_preprocess::PreprocessError>(())
//! ```
//!
//! Video files are read by the programs ffmpeg and ffprobe. Animated images and folders of frames need no program.
//!
//! With the feature `libjpeg`, on by default, libjpeg (C) decodes JPEG to exactly Pillow's pixels. Without it, the decoder
//! is written in Rust, and some per cent of the values differ from Pillow's by up to 5 levels. libjpeg's errors unwind:
//! a program built with `panic = "abort"` ends at a damaged JPEG.

mod batch;
mod codec;
mod error;
mod file;
mod fit_within;
mod frames;
mod image_processor;
mod machine;
mod metadata;
mod normalize;
mod patch_shape;
mod patches;
mod patchify;
mod processor;
mod resize;
mod rgb;
mod sampling;
mod smart_resize;
mod source;
mod span;
mod target;
mod unpatchify;
mod video_processor;

pub use batch::Probed;
pub use codec::{DecodeLimits, DecodeOptions, ImageCodec, decode_image, open_image};
pub use error::PreprocessError;
pub use fit_within::{Fit, fit_within};
pub use frames::FrameSource;
pub use image_processor::ImageProcessor;
pub use machine::is_machine_fault;
pub use metadata::{SampledFrames, VideoMetadata};
pub use patches::Patches;
pub use processor::Processor;
pub use sampling::sample_frames;
pub use smart_resize::smart_resize;
pub use source::{ImageSource, MediaKind, ReadOptions, Source, VideoSource};
pub use span::{PatchSpan, SpanRows};
pub use unpatchify::unpatchify;
pub use video_processor::VideoProcessor;

/// What fuzz targets call, and nobody else can.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::source::fuzzing::probe;
}
