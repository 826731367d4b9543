use image::RgbImage;

use super::file::VideoFile;
use super::probe::Rotation;
use super::program::Running;
use super::select::Selection;
use crate::PreprocessError;

/// The selected frames of a video file, from ffmpeg's output.
pub(crate) struct VideoReader {
    running: Option<Running>,
    passed: Box<dyn Iterator<Item = usize> + Send>,
    coded: (u32, u32),
    rotation: Rotation,
}

impl VideoFile {
    pub(crate) fn reader(&self, indices: &[usize]) -> Result<VideoReader, PreprocessError> {
        let selection = Selection::new(indices);
        let mut args = self.decode_args();
        let filter = format!("select='{}'", selection.expression);
        let count = selection.count().to_string();
        args.extend(["-vf", &filter, "-frames:v", &count].map(Into::into));
        args.extend(["-pix_fmt", "rgb24", "-f", "rawvideo", "-"].map(Into::into));
        let running = match indices {
            [] => None,
            _ => Some(Running::start(&self.ffmpeg, &args)?),
        };
        Ok(VideoReader {
            running,
            passed: Box::new(selection.indices()),
            coded: self.coded,
            rotation: self.rotation,
        })
    }
}

impl VideoReader {
    pub(crate) fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        let (width, height) = self.coded;
        let mut pixels = vec![0; 3 * width as usize * height as usize];
        while let Some(passed) = self.passed.next() {
            let running = self.running.as_mut();
            if !running.map_or(Ok(false), |running| running.fill(&mut pixels))? {
                return Err(self.ended(index));
            }
            if passed == index {
                let frame = RgbImage::from_raw(width, height, pixels);
                let frame = frame.expect("the pixels fill it");
                return Ok(self.rotation.apply(frame));
            }
        }
        Err(self.ended(index))
    }

    fn ended(&mut self, index: usize) -> PreprocessError {
        let ended = self.running.take().map_or(Ok(None), Running::finish);
        let message = match ended {
            // Nothing of the file can be read, or this ffmpeg does not know an option.
            Err(error) if index == 0 => return error,
            Err(PreprocessError::Program { message, .. }) | Ok(Some(message)) => message,
            Err(_) | Ok(None) => "it gave no reason".into(),
        };
        PreprocessError::EndedEarly { index, message }
    }
}
