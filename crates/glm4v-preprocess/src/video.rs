use std::borrow::Cow;
use std::iter;

use glm4v_config::{GridThw, VideoProcessorConfig};
use image::RgbImage;
use rayon::prelude::*;

use crate::clip::check_sampled;
use crate::held::FRAMES_AT_ONCE;
use crate::patchify::Patchifier;
use crate::pick::{Asked, Every, Picked, ReadFrame};
use crate::resize::resize;
use crate::target::{target_grid, target_size};
use crate::{Clip, ClipInfo, ClipSource, Patches, PreprocessError, sample_frames};

/// Makes patch rows of clips, as `Glm4vVideoProcessor` and `Glm46VVideoProcessor` of transformers 5.23 do.
pub struct VideoProcessor {
    config: VideoProcessorConfig,
    patchifier: Patchifier,
}

impl VideoProcessor {
    /// A processor that follows `config`.
    #[must_use]
    pub fn new(config: VideoProcessorConfig) -> Self {
        Self {
            patchifier: Patchifier::new(&config.frames, config.frames.temporal_patch_size),
            config,
        }
    }

    /// What this processor follows.
    #[must_use]
    pub fn config(&self) -> &VideoProcessorConfig {
        &self.config
    }

    /// The frames of a clip that are taken: [`sample_frames`] of the configuration.
    ///
    /// # Errors
    /// Those of [`sample_frames`].
    pub fn sample_frames(&self, info: &ClipInfo) -> Result<Vec<usize>, PreprocessError> {
        sample_frames(&self.config, info)
    }

    /// The grid of `num_frames` sampled frames ([`VideoProcessor::sample_frames`]) of `height` × `width` pixels.
    ///
    /// # Errors
    /// Those of [`crate::smart_resize`], which takes no fewer frames than `temporal_patch_size`; without resizing,
    /// [`PreprocessError::Size`] for a side that is not a multiple of patch_size · merge_size;
    /// [`PreprocessError::TooLarge`] for more frames than any clip has.
    pub fn grid(
        &self,
        num_frames: usize,
        height: usize,
        width: usize,
    ) -> Result<GridThw, PreprocessError> {
        let frames = check_sampled(num_frames)?;
        target_grid(&self.config.frames, frames, height, width)
    }

    /// The patch rows of the clip whose frames, all of them and in order, are `frames`. Frames that are not sampled are
    /// dropped as they come, those after the last sampled one are not asked for, and about eight (or one temporal
    /// patch, where that is more) are held in full size.
    ///
    /// # Errors
    /// Those of [`VideoProcessor::sample_frames`] and [`VideoProcessor::grid`]; [`PreprocessError::MissingFrame`] where
    /// there are fewer frames than `info` says and a sampled one is not among them, [`PreprocessError::FrameSize`]
    /// where the sampled ones differ in size, [`PreprocessError::ClipInfo`] where none is sampled, and
    /// [`PreprocessError::TooLarge`] for rows beyond any memory.
    pub fn clip(
        &self,
        frames: impl IntoIterator<Item = RgbImage>,
        info: &ClipInfo,
    ) -> Result<Clip, PreprocessError> {
        self.try_clip(frames.into_iter().map(Ok), info)
    }

    /// [`VideoProcessor::clip`] of frames from a source that can fail; its first error ends the work.
    ///
    /// # Errors
    /// Those of [`VideoProcessor::clip`] and those of the source.
    pub fn try_clip<E: From<PreprocessError>>(
        &self,
        frames: impl IntoIterator<Item = Result<RgbImage, E>>,
        info: &ClipInfo,
    ) -> Result<Clip, E> {
        self.clip_from(Every::new(frames.into_iter()), info)
    }

    /// [`VideoProcessor::try_clip`] of frames that can be asked for by index: `frame` is called for the sampled ones
    /// alone, once for each and in order.
    ///
    /// # Errors
    /// Those of [`VideoProcessor::clip`] and those of `frame`.
    pub fn clip_of<E: From<PreprocessError>>(
        &self,
        frame: impl FnMut(usize) -> Result<RgbImage, E>,
        info: &ClipInfo,
    ) -> Result<Clip, E> {
        self.clip_from(Asked::new(frame), info)
    }

    /// The patch rows of a clip's frames: those that are sampled are read, a few at a time.
    ///
    /// # Errors
    /// [`PreprocessError::File`], which names the file, for the errors of [`VideoProcessor::sample_frames`],
    /// [`VideoProcessor::grid`] and [`ClipSource::frames`], and where no frame is sampled.
    pub fn read(&self, source: &ClipSource) -> Result<Clip, PreprocessError> {
        let (frames_indices, grid) = self.sampled(source)?;
        let mut patches = self
            .room(grid)
            .map_err(|error| error.in_file(source.path()))?;
        for rows in patches.split_mut() {
            self.read_into(source, rows)?;
        }
        Ok(clip(patches, source.info(), frames_indices, grid))
    }

    /// Which frames [`VideoProcessor::read`] takes of a clip, and their grid.
    ///
    /// # Errors
    /// [`PreprocessError::File`] with those of [`VideoProcessor::sample_frames`] and [`VideoProcessor::grid`], and where
    /// no frame is sampled.
    pub fn sampled(&self, source: &ClipSource) -> Result<(Vec<usize>, GridThw), PreprocessError> {
        let sampled = || {
            let frames_indices = self.sample_frames(source.info())?;
            if frames_indices.is_empty() {
                return Err(none_sampled(source.info()));
            }
            let (height, width) = source.size();
            let grid = self.grid(frames_indices.len(), height, width)?;
            Ok((frames_indices, grid))
        };
        sampled().map_err(|error| error.in_file(source.path()))
    }

    /// Writes the rows of a clip to `rows`.
    pub(crate) fn read_into(
        &self,
        source: &ClipSource,
        rows: &mut [f32],
    ) -> Result<(), PreprocessError> {
        let (frames_indices, grid) = self.sampled(source)?;
        self.write(source.frames(&frames_indices)?, grid, rows)
    }

    /// Values of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.patchifier.row_width()
    }

    fn room(&self, grid: GridThw) -> Result<Patches, PreprocessError> {
        Patches::zeroed([(grid, 1)], self.row_len())
    }

    fn clip_from<R: ReadFrame>(&self, reader: R, info: &ClipInfo) -> Result<Clip, R::Error> {
        let frames_indices = self.sample_frames(info)?;
        let mut sampled = Picked::new(reader, &frames_indices);
        let Some(first) = sampled.next().transpose()? else {
            return Err(none_sampled(info).into());
        };
        let (height, width) = (first.height() as usize, first.width() as usize);
        let grid = self.grid(frames_indices.len(), height, width)?;
        let mut patches = self.room(grid)?;
        let mut frames = iter::once(Ok(first)).chain(sampled);
        for rows in patches.split_mut() {
            self.write(&mut frames, grid, rows)?;
        }
        Ok(clip(patches, info, frames_indices, grid))
    }

    /// Works through the clip in runs of temporal patches, so that only their frames are in memory.
    fn write<E: From<PreprocessError>>(
        &self,
        mut frames: impl Iterator<Item = Result<RgbImage, E>>,
        grid: GridThw,
        rows: &mut [f32],
    ) -> Result<(), E> {
        let temporal = self.config.frames.temporal_patch_size;
        let slice = GridThw::new(1, grid.h, grid.w);
        let slice_len = slice.num_patches() * self.row_len();
        let slices_at_once = (FRAMES_AT_ONCE / temporal).max(1);
        for rows in rows.chunks_mut(slices_at_once * slice_len) {
            let frames: Vec<RgbImage> = frames
                .by_ref()
                .take(slices_at_once * temporal)
                .collect::<Result<_, E>>()?;
            rows.par_chunks_mut(slice_len)
                .zip(frames.par_chunks(temporal))
                .for_each(|(rows, frames)| self.write_slice(frames, slice, rows));
        }
        Ok(())
    }

    fn write_slice(&self, frames: &[RgbImage], slice: GridThw, rows: &mut [f32]) {
        let (height, width) = target_size(&self.config.frames, slice);
        let resized: Vec<Cow<'_, RgbImage>> = frames
            .par_iter()
            .map(|frame| resize(Cow::Borrowed(frame), height, width))
            .collect();
        let resized: Vec<&RgbImage> = resized.iter().map(AsRef::as_ref).collect();
        self.patchifier.write(&resized, slice, rows);
    }
}

fn clip(patches: Patches, info: &ClipInfo, frames_indices: Vec<usize>, grid: GridThw) -> Clip {
    Clip {
        patches,
        frame_timestamps: info.frame_timestamps(&frames_indices),
        timestamps: info.prompt_timestamps(&frames_indices, grid.t),
        frames_indices,
    }
}

fn none_sampled(info: &ClipInfo) -> PreprocessError {
    PreprocessError::ClipInfo {
        expected: "of which a frame is sampled",
        found: format!("none of {}", info.num_frames),
    }
}

#[cfg(test)]
mod tests {
    use glm4v_config::{FrameSampling, ImageProcessorConfig};
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

    /// The red levels of a clip of frames one pixel large.
    fn red(temporal: usize, sampled: bool, count: u8) -> Vec<f32> {
        let info = ClipInfo::new(count.into(), 4.0);
        let clip = processor(temporal, sampled)
            .clip(frames(count), &info)
            .unwrap();
        let values = clip.patches.pixel_values();
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
    fn an_odd_number_is_made_even_whatever_a_patch_takes() {
        assert_eq!(red(1, true, 5), [0.0, 2.0, 4.0, 4.0]);
        assert_eq!(red(3, true, 5), [0.0, 2.0, 4.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn clips_longer_than_one_run_stay_in_order() {
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
    fn a_clip_says_which_frames_and_when() {
        let info = ClipInfo::new(5, 4.0);
        let clip = processor(2, true).clip(frames(5), &info).unwrap();
        assert_eq!(clip.patches.grids(), [GridThw::new(2, 1, 1)]);
        assert_eq!(clip.frames_indices, [0, 2, 4, 4]);
        assert_eq!(clip.frame_timestamps, [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(clip.timestamps, [0.0, 1.0]);
    }

    #[test]
    fn frames_asked_for_by_index_are_those_sampled() {
        let info = ClipInfo::new(5, 4.0);
        let mut asked = Vec::new();
        let by_index = processor(2, true)
            .clip_of(
                |index| {
                    asked.push(index);
                    Ok::<_, PreprocessError>(frames(5).nth(index).unwrap())
                },
                &info,
            )
            .unwrap();
        assert_eq!(asked, [0, 2, 4]);
        let in_order = processor(2, true).clip(frames(5), &info).unwrap();
        assert_eq!(by_index.patches, in_order.patches);
        assert_eq!(by_index.frames_indices, in_order.frames_indices);
    }

    #[test]
    fn more_frames_announced_than_there_are() {
        let info = ClipInfo::new(9, 4.0);
        let error = processor(2, true).clip(frames(8), &info).unwrap_err();
        assert!(error.to_string().contains("after 8 frames"), "{error}");
    }

    #[test]
    fn more_frames_than_any_clip_has_are_refused() {
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
}
