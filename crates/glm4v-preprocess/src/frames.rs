use image::RgbImage;

use crate::PreprocessError;

/// Gives the frames of a video by their indices, counted from 0.
///
/// Indices come in ascending order, each once. A closure `|index: usize| -> Result<RgbImage, E>` is a source.
pub trait FrameSource {
    /// The error of a frame that cannot be read.
    type Error: From<PreprocessError>;

    /// The frame at `index`.
    ///
    /// # Errors
    /// The source's own. The first one ends the work.
    fn frame(&mut self, index: usize) -> Result<RgbImage, Self::Error>;
}

impl<F, E> FrameSource for F
where
    F: FnMut(usize) -> Result<RgbImage, E>,
    E: From<PreprocessError>,
{
    type Error = E;

    fn frame(&mut self, index: usize) -> Result<RgbImage, E> {
        self(index)
    }
}

/// All frames of a video, one after another. Frames between the requested ones are dropped.
pub(crate) fn in_order<E: From<PreprocessError>>(
    frames: impl IntoIterator<Item = Result<RgbImage, E>>,
) -> impl FrameSource<Error = E> {
    let mut frames = frames.into_iter();
    let mut read = 0;
    move |index: usize| {
        loop {
            let frame = frames.next();
            let frame = frame.ok_or(PreprocessError::MissingFrame { index, found: read })??;
            read += 1;
            if read > index {
                return Ok(frame);
            }
        }
    }
}

/// The frames at `indices`, which are in order and may repeat. Each is read once. They must have one size.
pub(crate) struct SampledReader<'a, S> {
    source: S,
    indices: &'a [usize],
    size: Option<(u32, u32)>,
    repeated: Option<RgbImage>,
}

impl<'a, S: FrameSource> SampledReader<'a, S> {
    pub(crate) fn new(source: S, indices: &'a [usize]) -> Self {
        Self {
            source,
            indices,
            size: None,
            repeated: None,
        }
    }

    fn frame(&mut self, index: usize) -> Result<RgbImage, S::Error> {
        let frame = match self.repeated.take() {
            Some(frame) => frame,
            None => {
                let frame = self.source.frame(index)?;
                let expected = *self.size.get_or_insert(frame.dimensions());
                check_size(index, expected, frame.dimensions())?;
                frame
            }
        };
        if self.indices.first() == Some(&index) {
            self.repeated = Some(frame.clone());
        }
        Ok(frame)
    }
}

/// Checks the size of a frame, (width, height), against that of the first one.
pub(crate) fn check_size(
    index: usize,
    expected: (u32, u32),
    found: (u32, u32),
) -> Result<(), PreprocessError> {
    if expected == found {
        return Ok(());
    }
    let pixels = |(width, height)| format!("{width}×{height} pixels");
    Err(PreprocessError::FrameSize {
        index,
        expected: pixels(expected),
        found: pixels(found),
    })
}

impl<S: FrameSource> Iterator for SampledReader<'_, S> {
    type Item = Result<RgbImage, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&index, rest) = self.indices.split_first()?;
        self.indices = rest;
        Some(self.frame(index))
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn frames(count: u8) -> impl Iterator<Item = Result<RgbImage, PreprocessError>> {
        (0..count).map(|level| Ok(RgbImage::from_pixel(2, 1, Rgb([level; 3]))))
    }

    fn sampled(
        frames: impl Iterator<Item = Result<RgbImage, PreprocessError>>,
        indices: &[usize],
    ) -> impl Iterator<Item = Result<RgbImage, PreprocessError>> {
        SampledReader::new(in_order(frames), indices)
    }

    fn levels(sampled: impl Iterator<Item = Result<RgbImage, PreprocessError>>) -> Vec<u8> {
        sampled.map(|frame| frame.unwrap().as_raw()[0]).collect()
    }

    #[test]
    fn frames_are_sampled_and_repeated_and_the_rest_is_not_requested() {
        let mut requested = 0;
        let source = frames(9).inspect(|_| requested += 1);
        assert_eq!(
            levels(sampled(source, &[1, 4, 4, 5, 5, 5])),
            [1, 4, 4, 5, 5, 5]
        );
        assert_eq!(requested, 6);
    }

    #[test]
    fn an_early_end_names_the_frame() {
        let error = sampled(frames(3), &[0, 5]).last().unwrap().unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("frame 5") && message.contains("3 frames"),
            "{message}"
        );
    }

    #[test]
    fn sizes_must_not_change() {
        let wider = std::iter::once(Ok(RgbImage::new(3, 1)));
        let error = sampled(frames(2).chain(wider), &[1, 2])
            .last()
            .unwrap()
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("2×1") && message.contains("3×1"),
            "{message}"
        );
    }

    #[test]
    fn the_sources_own_error_passes_through() {
        let broken = std::iter::once(Err(PreprocessError::size("a frame", "noise")));
        let error = sampled(frames(1).chain(broken), &[2])
            .last()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("noise"));
    }
}
