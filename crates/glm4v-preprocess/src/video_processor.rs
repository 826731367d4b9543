use std::borrow::Cow;
use std::iter;

use glm4v_config::{GridThw, ImageProcessorConfig, PatchKind, VideoProcessorConfig};
use image::RgbImage;
use rayon::prelude::*;

use crate::codec::rgb_bytes;
use crate::frames::{FrameSource, SampledReader, in_order};
use crate::metadata::check_sampled;
use crate::patchify::Patchifier;
use crate::resize::resize;
use crate::target::Target;
use crate::{Patches, PreprocessError, SampledFrames, VideoMetadata, VideoSource, sample_frames};

/// Frames of a video that are in memory in full size at once, whatever the number of cores: a frame can have 25 MB. A
/// temporal patch with more frames is in memory whole.
const FRAMES_AT_ONCE: usize = 8;

/// Makes patch rows of videos, as the video processors of transformers 5.23 do: those of [`glm4v_config::SamplingRule`].
///
/// ```
/// use glm4v_config::{GridThw, VideoProcessorConfig};
/// use glm4v_preprocess::{VideoMetadata, VideoProcessor};
/// use image::RgbImage;
///
/// let processor = VideoProcessor::new(VideoProcessorConfig::default());
/// let metadata = VideoMetadata::new(48, 24.0); // frames, frames a second
/// let video = (0..48).map(|_| RgbImage::new(640, 480));
/// let (patches, frames) = processor.preprocess(video, &metadata)?;
/// assert_eq!(patches.grids(), [GridThw::new(3, 34, 46)]);
/// assert_eq!(frames.indices, [0, 12, 24, 36, 47, 47]);
/// assert_eq!(frames.timestamps, [0.0, 1.0, 47.0 / 24.0]);
/// # Ok::<(), glm4v_preprocess::PreprocessError>(())
/// ```
pub struct VideoProcessor {
    config: VideoProcessorConfig,
    patchifier: Patchifier,
}

impl VideoProcessor {
    /// A processor for a configuration.
    #[must_use]
    pub fn new(config: VideoProcessorConfig) -> Self {
        Self {
            patchifier: Patchifier::new(&config.frames, config.frames.temporal_patch_size),
            config,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &VideoProcessorConfig {
        &self.config
    }

    /// The grid of `num_frames` sampled frames ([`sample_frames`]) of `height` × `width` pixels.
    ///
    /// # Errors
    /// Those of [`crate::smart_resize`], which needs at least `temporal_patch_size` frames, and of [`crate::fit_within`].
    /// Without resizing,
    /// [`PreprocessError::Size`] for a side that is not a multiple of patch_size · merge_size.
    /// [`PreprocessError::TooLarge`] for more frames than a video may have.
    pub fn grid(
        &self,
        num_frames: usize,
        height: usize,
        width: usize,
    ) -> Result<GridThw, PreprocessError> {
        let frames = check_sampled(num_frames)?;
        Ok(Target::new(&self.config.frames, frames, height, width)?.grid)
    }

    /// The patch rows of a video, and its sampled frames. `frames` are all frames of the video, in order.
    ///
    /// Frames that are not sampled are dropped as they come, and frames after the last sampled one are not requested.
    /// About eight frames (or one temporal patch, where that is more) are in memory in full size.
    ///
    /// # Errors
    /// Those of [`sample_frames`] and [`VideoProcessor::grid`]. [`PreprocessError::MissingFrame`] where a sampled frame
    /// is missing, because there are fewer frames than `metadata` claims. [`PreprocessError::FrameSize`] where the
    /// sampled frames differ in size. [`PreprocessError::VideoMetadata`] where no frame is sampled.
    /// [`PreprocessError::Allocation`] for rows that cannot be allocated.
    pub fn preprocess(
        &self,
        frames: impl IntoIterator<Item = RgbImage>,
        metadata: &VideoMetadata,
    ) -> Result<(Patches, SampledFrames), PreprocessError> {
        self.preprocess_from(in_order(frames.into_iter().map(Ok)), metadata)
    }

    /// [`VideoProcessor::preprocess`] of frames that are requested by index: only the sampled frames, each once and in
    /// order.
    ///
    /// # Errors
    /// Those of [`VideoProcessor::preprocess`] and those of `source`.
    pub fn preprocess_from<S: FrameSource>(
        &self,
        source: S,
        metadata: &VideoMetadata,
    ) -> Result<(Patches, SampledFrames), S::Error> {
        let indices = self.sample(metadata)?;
        let mut sampled = SampledReader::new(source, &indices);
        let first = sampled
            .next()
            .transpose()?
            .ok_or_else(|| none_sampled(metadata))?;
        let (height, width) = (first.height() as usize, first.width() as usize);
        let target = Target::new(&self.config.frames, indices.len(), height, width)?;
        let inputs = [(target.grid, PatchKind::Video, self.row_len())];
        let mut patches = Patches::zeroed(inputs, self.row_len())?;
        let mut frames = iter::once(Ok(first)).chain(sampled);
        for rows in patches.split_mut() {
            self.write(&mut frames, target, rows)?;
        }
        let frames = SampledFrames::new(metadata, indices, target.grid.t);
        Ok((patches, frames))
    }

    /// The frames to sample from a video of (height, width) pixels, and what they become with the limits of `frames`.
    pub(crate) fn plan(
        &self,
        frames: &ImageProcessorConfig,
        metadata: &VideoMetadata,
        (height, width): (usize, usize),
    ) -> Result<(SampledFrames, Target), PreprocessError> {
        let indices = self.sample(metadata)?;
        let target = Target::new(frames, indices.len(), height, width)?;
        Ok((SampledFrames::new(metadata, indices, target.grid.t), target))
    }

    fn sample(&self, metadata: &VideoMetadata) -> Result<Vec<usize>, PreprocessError> {
        let indices = sample_frames(&self.config, metadata)?;
        match indices.is_empty() {
            true => Err(none_sampled(metadata)),
            false => Ok(indices),
        }
    }

    /// Writes the rows of sampled frames to `rows`.
    pub(crate) fn read_into(
        &self,
        source: &VideoSource,
        indices: &[usize],
        target: Target,
        rows: &mut [f32],
    ) -> Result<(), PreprocessError> {
        self.write(source.frames(indices)?, target, rows)
    }

    /// Values of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.patchifier.row_width()
    }

    /// Writes the rows a few temporal patches at a time, so that only their frames are in memory.
    fn write<E: From<PreprocessError>>(
        &self,
        mut frames: impl Iterator<Item = Result<RgbImage, E>>,
        target: Target,
        rows: &mut [f32],
    ) -> Result<(), E> {
        let temporal = self.config.frames.temporal_patch_size;
        let slice = Target {
            grid: GridThw {
                t: 1,
                ..target.grid
            },
            ..target
        };
        let slice_len = slice.grid.num_patches() * self.row_len();
        for rows in rows.chunks_mut(slices_at_once(temporal) * slice_len) {
            let frames: Vec<RgbImage> = frames
                .by_ref()
                .take(slices_at_once(temporal) * temporal)
                .collect::<Result<_, E>>()?;
            rows.par_chunks_mut(slice_len)
                .zip(frames.par_chunks(temporal))
                .for_each(|(rows, frames)| self.write_slice(frames, slice, rows));
        }
        Ok(())
    }

    fn write_slice(&self, frames: &[RgbImage], slice: Target, rows: &mut [f32]) {
        let (size, filter) = (slice.resized(), self.config.frames.resample);
        let resized: Vec<Cow<'_, RgbImage>> = frames
            .par_iter()
            .map(|frame| resize(Cow::Borrowed(frame), size, filter))
            .collect();
        let resized: Vec<&RgbImage> = resized.iter().map(AsRef::as_ref).collect();
        self.patchifier.write(&resized, slice.grid, rows);
    }
}

/// Temporal patches whose frames are in memory at once.
fn slices_at_once(temporal_patch_size: usize) -> usize {
    (FRAMES_AT_ONCE / temporal_patch_size).max(1)
}

/// Upper bound of the memory while `frames` sampled frames of (height, width) pixels are resized, without decoding.
pub(crate) fn video_bytes(
    frames: usize,
    temporal_patch_size: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> u64 {
    let in_memory = frames.min(slices_at_once(temporal_patch_size) * temporal_patch_size);
    let working = in_memory.min(rayon::current_num_threads());
    let resized = rgb_bytes((from.0, to.1)) + rgb_bytes(to);
    in_memory as u64 * rgb_bytes(from) + working as u64 * resized
}

fn none_sampled(metadata: &VideoMetadata) -> PreprocessError {
    PreprocessError::VideoMetadata {
        expected: "at least 1 sampled frame",
        found: format!("none of {}", metadata.num_frames),
    }
}

#[cfg(test)]
mod tests {
    use glm4v_config::FrameSampling;
    use image::Rgb;

    use super::*;

    fn processor(temporal_patch_size: usize, do_sample_frames: bool) -> VideoProcessor {
        VideoProcessor::new(VideoProcessorConfig {
            frames: ImageProcessorConfig {
                do_resize: false,
                do_rescale: false,
                do_normalize: false,
                patch_size: 1,
                merge_size: 1,
                temporal_patch_size,
                ..ImageProcessorConfig::default()
            },
            sampling: FrameSampling {
                do_sample_frames,
                ..FrameSampling::default()
            },
        })
    }

    /// Frames of one pixel, as bright as their index.
    fn frames(count: u8) -> impl Iterator<Item = RgbImage> {
        (0..count).map(|level| RgbImage::from_pixel(1, 1, Rgb([level; 3])))
    }

    /// The red levels of a video whose frames have one pixel.
    fn red(temporal: usize, sampled: bool, count: u8) -> Vec<f32> {
        let metadata = VideoMetadata::new(count.into(), 4.0);
        let (patches, _) = processor(temporal, sampled)
            .preprocess(frames(count), &metadata)
            .unwrap();
        let values = patches.pixel_values();
        let rows = values.rows().into_iter();
        rows.flat_map(|row| row.to_vec().into_iter().take(temporal))
            .collect()
    }

    #[test]
    fn the_last_frame_fills_the_last_patch() {
        assert_eq!(red(1, false, 3), [0.0, 1.0, 2.0]);
        assert_eq!(red(2, false, 3), [0.0, 1.0, 2.0, 2.0]);
        assert_eq!(red(4, false, 5), [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn an_odd_number_is_made_even_for_any_patch_size() {
        assert_eq!(red(1, true, 5), [0.0, 2.0, 4.0, 4.0]);
        assert_eq!(red(3, true, 5), [0.0, 2.0, 4.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn long_videos_stay_in_order() {
        for temporal in [1, 2, 3, 4, 16] {
            let levels = red(temporal, false, 48);
            assert!(
                levels
                    .iter()
                    .enumerate()
                    .all(|(index, &level)| level == index as f32)
            );
        }
    }

    #[test]
    fn sampled_frames_have_indices_and_times() {
        let metadata = VideoMetadata::new(5, 4.0);
        let video = processor(2, true).preprocess(frames(5), &metadata);
        let (patches, sampled) = video.unwrap();
        assert_eq!(patches.grids(), [GridThw::new(2, 1, 1)]);
        assert_eq!(sampled.indices, [0, 2, 4, 4]);
        assert_eq!(sampled.frame_timestamps(), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(sampled.timestamps, [0.0, 1.0]);
    }

    #[test]
    fn only_sampled_frames_are_requested_by_index() {
        let metadata = VideoMetadata::new(5, 4.0);
        let mut requested = Vec::new();
        let by_index = |index: usize| {
            requested.push(index);
            Ok::<_, PreprocessError>(frames(5).nth(index).unwrap())
        };
        let by_index = processor(2, true).preprocess_from(by_index, &metadata);
        let in_order = processor(2, true).preprocess(frames(5), &metadata);
        assert_eq!(by_index.unwrap(), in_order.unwrap());
        assert_eq!(requested, [0, 2, 4]);
    }

    #[test]
    fn fewer_frames_than_claimed_are_refused() {
        let metadata = VideoMetadata::new(9, 4.0);
        let error = processor(2, true)
            .preprocess(frames(8), &metadata)
            .unwrap_err();
        assert!(error.to_string().contains("after 8 frames"), "{error}");
    }

    #[test]
    fn too_many_frames_are_refused() {
        let error = processor(2, true).grid(usize::MAX, 2, 2).unwrap_err();
        assert!(matches!(error, PreprocessError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn the_grid_is_known_before_the_frames() {
        let published = VideoProcessor::new(VideoProcessorConfig::default());
        assert_eq!(
            published.grid(5, 480, 640).unwrap(),
            GridThw::new(3, 34, 46)
        );
        assert!(published.grid(1, 480, 640).is_err());
        // 47,040,000 pixels over 600 frames are 280 × 280 each.
        assert_eq!(
            published.grid(600, 999, 999).unwrap(),
            GridThw::new(300, 20, 20)
        );
    }

    #[test]
    fn frames_in_memory_are_limited_and_counted() {
        let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build();
        let bytes = |frames, temporal, to, count| {
            let pool = threads(count).unwrap();
            pool.install(|| video_bytes(frames, temporal, (10, 20), to))
        };
        // Frames of 600 bytes. Resizing to the same size is counted too: an upper bound.
        let resized = 2 * 600;
        assert_eq!(bytes(100, 2, (10, 20), 2), 8 * 600 + 2 * resized);
        assert_eq!(bytes(100, 3, (10, 20), 2), 6 * 600 + 2 * resized);
        assert_eq!(bytes(100, 16, (10, 20), 2), 16 * 600 + 2 * resized);
        assert_eq!(bytes(5, 2, (10, 20), 2), 5 * 600 + 2 * resized);
        assert_eq!(bytes(1, 2, (10, 20), 2), 600 + resized);
        assert_eq!(bytes(100, 2, (5, 20), 4), 8 * 600 + 4 * (600 + 300));
    }
}
