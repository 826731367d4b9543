use image::RgbImage;

use crate::PreprocessError;

/// The frames at `indices`, which are in order and may repeat, out of all frames. Those between are dropped as they
/// come; what follows the last is not asked for.
pub(crate) struct Picked<'a, I> {
    frames: I,
    indices: &'a [usize],
    read: usize,
    size: Option<(u32, u32)>,
    repeat: Option<RgbImage>,
}

impl<'a, I, E> Picked<'a, I>
where
    I: Iterator<Item = Result<RgbImage, E>>,
    E: From<PreprocessError>,
{
    pub(crate) fn new(frames: I, indices: &'a [usize]) -> Self {
        Self {
            frames,
            indices,
            read: 0,
            size: None,
            repeat: None,
        }
    }

    fn frame(&mut self, index: usize) -> Result<RgbImage, E> {
        let frame = match self.repeat.take() {
            Some(frame) => frame,
            None => self.read_up_to(index)?,
        };
        if self.indices.first() == Some(&index) {
            self.repeat = Some(frame.clone());
        }
        Ok(frame)
    }

    fn read_up_to(&mut self, index: usize) -> Result<RgbImage, E> {
        loop {
            let found = self.read;
            let frame = self.frames.next();
            let frame = frame.ok_or(PreprocessError::MissingFrame { index, found })??;
            self.read += 1;
            if self.read > index {
                self.check(&frame, index)?;
                return Ok(frame);
            }
        }
    }

    fn check(&mut self, frame: &RgbImage, index: usize) -> Result<(), PreprocessError> {
        let size = *self.size.get_or_insert(frame.dimensions());
        if size == frame.dimensions() {
            return Ok(());
        }
        let pixels = |(width, height)| format!("{width}×{height} pixels");
        Err(PreprocessError::FrameSize {
            index,
            expected: pixels(size),
            found: pixels(frame.dimensions()),
        })
    }
}

impl<I, E> Iterator for Picked<'_, I>
where
    I: Iterator<Item = Result<RgbImage, E>>,
    E: From<PreprocessError>,
{
    type Item = Result<RgbImage, E>;

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

    fn levels(picked: impl Iterator<Item = Result<RgbImage, PreprocessError>>) -> Vec<u8> {
        picked.map(|frame| frame.unwrap().as_raw()[0]).collect()
    }

    #[test]
    fn frames_are_picked_and_repeated_and_the_rest_is_not_asked_for() {
        let mut asked = 0;
        let source = frames(9).inspect(|_| asked += 1);
        assert_eq!(
            levels(Picked::new(source, &[1, 4, 4, 5, 5, 5])),
            [1, 4, 4, 5, 5, 5]
        );
        assert_eq!(asked, 6);
    }

    #[test]
    fn an_early_end_says_where() {
        let error = Picked::new(frames(3), &[0, 5]).last().unwrap().unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("frame 5") && message.contains("3 frames"),
            "{message}"
        );
    }

    #[test]
    fn sizes_must_not_change() {
        let wider = std::iter::once(Ok(RgbImage::new(3, 1)));
        let error = Picked::new(frames(2).chain(wider), &[1, 2])
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
        let error = Picked::new(frames(1).chain(broken), &[2])
            .last()
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("noise"));
    }
}
