use image::RgbImage;

use crate::PreprocessError;

/// Gives frames of a clip, forwards only: no index is below the one before it.
pub(crate) trait ReadFrame {
    type Error: From<PreprocessError>;

    fn frame(&mut self, index: usize) -> Result<RgbImage, Self::Error>;
}

/// All frames of a clip, in order. Those between the ones asked for are dropped as they come; what follows the last is
/// not asked for.
pub(crate) struct Every<I> {
    frames: I,
    read: usize,
}

impl<I> Every<I> {
    pub(crate) fn new(frames: I) -> Self {
        Self { frames, read: 0 }
    }
}

impl<I, E> ReadFrame for Every<I>
where
    I: Iterator<Item = Result<RgbImage, E>>,
    E: From<PreprocessError>,
{
    type Error = E;

    fn frame(&mut self, index: usize) -> Result<RgbImage, E> {
        loop {
            let found = self.read;
            let frame = self.frames.next();
            let frame = frame.ok_or(PreprocessError::MissingFrame { index, found })??;
            self.read += 1;
            if self.read > index {
                return Ok(frame);
            }
        }
    }
}

/// Frames of a clip that can be asked for in any order.
pub(crate) struct Asked<F> {
    frame: F,
}

impl<F> Asked<F> {
    pub(crate) fn new(frame: F) -> Self {
        Self { frame }
    }
}

impl<F, E> ReadFrame for Asked<F>
where
    F: FnMut(usize) -> Result<RgbImage, E>,
    E: From<PreprocessError>,
{
    type Error = E;

    fn frame(&mut self, index: usize) -> Result<RgbImage, E> {
        (self.frame)(index)
    }
}

/// The frames at `indices`, which are in order and may repeat; each is read once. They must be of one size.
pub(crate) struct Picked<'a, R> {
    reader: R,
    indices: &'a [usize],
    size: Option<(u32, u32)>,
    repeat: Option<RgbImage>,
}

impl<'a, R: ReadFrame> Picked<'a, R> {
    pub(crate) fn new(reader: R, indices: &'a [usize]) -> Self {
        Self {
            reader,
            indices,
            size: None,
            repeat: None,
        }
    }

    fn frame(&mut self, index: usize) -> Result<RgbImage, R::Error> {
        let frame = match self.repeat.take() {
            Some(frame) => frame,
            None => {
                let frame = self.reader.frame(index)?;
                self.check(&frame, index)?;
                frame
            }
        };
        if self.indices.first() == Some(&index) {
            self.repeat = Some(frame.clone());
        }
        Ok(frame)
    }

    fn check(&mut self, frame: &RgbImage, index: usize) -> Result<(), PreprocessError> {
        let expected = *self.size.get_or_insert(frame.dimensions());
        check_size(index, expected, frame.dimensions())
    }
}

/// Whether a frame is as large as the others, (width, height).
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

impl<R: ReadFrame> Iterator for Picked<'_, R> {
    type Item = Result<RgbImage, R::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&index, others) = self.indices.split_first()?;
        self.indices = others;
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

    fn picked<I>(frames: I, indices: &[usize]) -> Picked<'_, Every<I>>
    where
        I: Iterator<Item = Result<RgbImage, PreprocessError>>,
    {
        Picked::new(Every::new(frames), indices)
    }

    fn levels(picked: impl Iterator<Item = Result<RgbImage, PreprocessError>>) -> Vec<u8> {
        picked.map(|frame| frame.unwrap().as_raw()[0]).collect()
    }

    #[test]
    fn frames_are_picked_and_repeated_and_the_rest_is_not_asked_for() {
        let mut asked = 0;
        let source = frames(9).inspect(|_| asked += 1);
        assert_eq!(
            levels(picked(source, &[1, 4, 4, 5, 5, 5])),
            [1, 4, 4, 5, 5, 5]
        );
        assert_eq!(asked, 6);
    }

    #[test]
    fn an_early_end_says_where() {
        let error = picked(frames(3), &[0, 5]).last().unwrap().unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("frame 5") && message.contains("3 frames"),
            "{message}"
        );
    }

    #[test]
    fn sizes_must_not_change() {
        let wider = std::iter::once(Ok(RgbImage::new(3, 1)));
        let error = picked(frames(2).chain(wider), &[1, 2])
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
        let error = picked(frames(1).chain(broken), &[2])
            .last()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("noise"));
    }
}
