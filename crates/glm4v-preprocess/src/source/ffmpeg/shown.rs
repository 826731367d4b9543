use std::sync::mpsc;

use super::file::VideoFile;
use super::program::Running;
use super::times::{Report, report_filter};
use crate::PreprocessError;

/// ffmpeg's words for a packet that a decoder refuses, in its versions 5 to 8.
const REFUSALS: [&str; 4] = [
    "Error while decoding stream",
    "Decoding error:",
    "Error submitting packet to decoder",
    "Error processing packet in decoder",
];

/// The frames that a video file shows, and which of them stands for a packet. Some files have packets that show no
/// frame, or two packets for one frame.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    /// The number of frames.
    count: usize,
    /// The times of the frames and their numbers in the order of decoding, sorted by time.
    times: Vec<(i64, usize)>,
    /// Whether the decoder refuses a packet.
    is_damaged: bool,
}

/// The frame for a packet.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    /// The frame, counted from 0 in the order of decoding.
    pub(super) number: usize,
    /// Whether it stands in for a frame that cannot be decoded.
    pub(super) replaced: bool,
}

impl VideoFile {
    /// Decodes the file, and does not convert the frames.
    pub(super) fn shown(&self) -> Result<Shown, PreprocessError> {
        let mut args = self.decode_args();
        args.extend(["-vf", &report_filter(1)].map(Into::into));
        args.extend(["-c:v", "wrapped_avframe", "-f", "null", "-"].map(Into::into));
        let (sender, refusals) = mpsc::channel();
        let mut running = Running::watch(&self.ffmpeg, &args, move |line| {
            if REFUSALS.iter().any(|words| line.contains(words)) {
                // The receiver is dropped only where the result does not matter.
                let _ = sender.send(());
            }
        })?;
        let mut times = Vec::new();
        running.lines(|line| {
            if let Some(Report::Frame(time)) = Report::parse(line) {
                times.push(time);
            }
        })?;
        let message = match (times.as_slice(), running.finish()) {
            ([], Err(error)) => return Err(error),
            ([], Ok(message)) => message,
            ([_, ..], _) => return Ok(Shown::new(&times, refusals.try_recv().is_ok())),
        };
        Err(PreprocessError::ended_early(0, message))
    }
}

impl Shown {
    fn new(times: &[Option<i64>], is_damaged: bool) -> Self {
        let numbered = times.iter().enumerate();
        let mut numbered: Vec<(i64, usize)> = numbered
            .filter_map(|(number, time)| Some(((*time)?, number)))
            .collect();
        numbered.sort_unstable();
        Self {
            count: times.len(),
            times: numbered,
            is_damaged,
        }
    }

    /// The frame for the packet at `time`, as torchcodec finds it: the first one that is not shown before. torchcodec
    /// fails where the decoder refuses a packet, or no such frame exists. The last frame before stands in there.
    pub(super) fn at(&self, time: i64) -> Choice {
        let next = self.times.partition_point(|(shown, _)| *shown < time);
        let (before, after) = self.times.split_at(next);
        let (number, replaced) = match (before.last(), after.first()) {
            (_, Some((shown, number))) if *shown == time || !self.is_damaged => (*number, false),
            (Some((_, number)), _) | (None, Some((_, number))) => (*number, true),
            (None, None) => return self.nth(0),
        };
        Choice { number, replaced }
    }

    /// The frame for the packet with the number `index`, where packets have no times.
    pub(super) fn nth(&self, index: usize) -> Choice {
        Choice {
            number: index.min(self.count - 1),
            replaced: index >= self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(times: &[i64], is_damaged: bool) -> Shown {
        let times: Vec<_> = times.iter().copied().map(Some).collect();
        Shown::new(&times, is_damaged)
    }

    fn choices(shown: &Shown, times: &[i64]) -> Vec<(usize, bool)> {
        let choices = times.iter().map(|&time| shown.at(time));
        choices.map(|choice| (choice.number, choice.replaced)).collect()
    }

    #[test]
    fn a_packet_without_a_frame_shows_the_next_one() {
        let found = choices(&shown(&[10, 20, 40], false), &[5, 10, 11, 20, 30, 40, 50]);
        let frames = [0, 0, 1, 1, 2, 2, 2];
        let expected = frames.map(|number| (number, false));
        assert_eq!(found[..6], expected[..6]);
        assert_eq!(found[6], (2, true));
    }

    #[test]
    fn the_frame_before_stands_in_for_a_refused_packet() {
        let found = choices(&shown(&[10, 20, 40], true), &[5, 10, 30, 40, 50]);
        assert_eq!(
            found,
            [(0, true), (0, false), (1, true), (2, false), (2, true)]
        );
    }

    #[test]
    fn frames_are_numbered_in_the_order_of_decoding() {
        let unordered = Shown::new(&[Some(20), None, Some(10)], false);
        assert_eq!(choices(&unordered, &[10, 20]), [(2, false), (0, false)]);
        assert_eq!(unordered.nth(1), Choice { number: 1, replaced: false });
        assert_eq!(unordered.nth(3), Choice { number: 2, replaced: true });
    }
}
