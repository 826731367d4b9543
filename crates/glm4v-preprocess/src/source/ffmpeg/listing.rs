use std::sync::mpsc;

use super::file::VideoFile;
use super::program::Running;
use super::shown::Shown;
use super::times::{Report, report_filter};
use crate::PreprocessError;

/// ffmpeg's words for a packet that a decoder refuses, in its versions 5 to 8.
const REFUSALS: [&str; 4] = [
    "Error while decoding stream",
    "Decoding error:",
    "Error submitting packet to decoder",
    "Error processing packet in decoder",
];

impl VideoFile {
    /// Lists the frames of the file. All frames are decoded, but not converted. If there are none, the error says that
    /// frame `index` is missing.
    pub(super) fn list_frames(&self, index: usize) -> Result<Shown, PreprocessError> {
        let shown = self.list(index, false)?;
        match shown.is_damaged {
            true => self.list(index, true),
            false => Ok(shown),
        }
    }

    fn list(&self, index: usize, is_damaged: bool) -> Result<Shown, PreprocessError> {
        let mut args = self.decode_args(is_damaged);
        args.extend(["-vf", &report_filter(1)].map(Into::into));
        args.extend(["-c:v", "wrapped_avframe", "-f", "null", "-"].map(Into::into));
        let (sender, refusals) = mpsc::channel();
        let mut running = Running::watch(&self.ffmpeg, &args, self.input.limits, move |line| {
            if REFUSALS.iter().any(|words| line.contains(words)) {
                // The receiver waits for the end of the program.
                let _ = sender.send(());
            }
        })?;
        let mut times = Vec::new();
        running.lines(|line| {
            if let Some(Report::Frame(time)) = Report::parse(line) {
                times.push(time);
            }
        })?;
        match (times.as_slice(), running.finish()) {
            // A file that cannot be read to its end has frames; a program that was killed found too few of them.
            ([], Err(error)) | ([_, ..], Err(error @ PreprocessError::ProgramKilled { .. })) => {
                Err(error)
            }
            ([], Ok(message)) => Err(PreprocessError::ended_early(index, message)),
            ([_, ..], _) => {
                let is_damaged = is_damaged || refusals.iter().next().is_some();
                Ok(Shown::new(&times, is_damaged))
            }
        }
    }
}
