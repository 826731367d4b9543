use std::ops::Range;
use std::path::Path;
use std::sync::mpsc;

use super::probe::Stream;
use super::program::{Input, Running};
use crate::metadata::MAX_FRAMES;
use crate::{PreprocessError, VideoMetadata};

/// The time of packets without a time that come before all others.
const NO_TIME: i64 = i64::MIN;

/// The packets of a stream, none of them decoded. torchcodec counts each as a frame.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Packets {
    /// Hidden by an edit list.
    discarded: usize,
    /// The time of the last packet that has one.
    latest: i64,
    /// In the stream's unit of time.
    begin: Option<i64>,
    end: Option<i64>,
    /// The presentation time of each packet, or else its decoding time, as in torchcodec. The second field of a frame can
    /// have neither: then the time of the packet before it.
    times: Vec<i64>,
    /// Whether each packet has a time.
    are_timed: bool,
    /// The decoding time of the first packet, and both times of the first key frame.
    first_dts: Option<i64>,
    key: Option<(i64, i64)>,
    complaint: Option<String>,
    /// Whether the header also counts frames that are empty, and the unit of time is one frame: in AVI.
    has_empty_frames: bool,
}

impl Packets {
    pub(crate) fn scan(
        ffprobe: &Path,
        input: &Input,
        stream: &Stream,
    ) -> Result<Self, PreprocessError> {
        let entries = "packet=pts,dts,duration,flags";
        let number = stream.index.to_string();
        let mut args: Vec<_> = [
            "-v",
            "error",
            "-select_streams",
            &number,
            "-show_entries",
            entries,
        ]
        .map(Into::into)
        .into();
        args.extend(["-of", "compact"].map(Into::into));
        args.extend(input.args());
        let demuxer = input.demuxer;
        let (sender, complaints) = mpsc::channel();
        let mut running = Running::watch(ffprobe, &args, input.limits, move |line| {
            if let Some(complaint) = complaint(line, demuxer) {
                // The receiver waits for the end of the program.
                let _ = sender.send(complaint.to_owned());
            }
        })?;
        let mut packets = Self {
            has_empty_frames: demuxer == "avi",
            ..Self::new()
        };
        running.lines(|line| packets.add(line))?;
        running.finish()?;
        packets.complaint = complaints.into_iter().last();
        Ok(packets)
    }

    pub(super) fn new() -> Self {
        Self {
            latest: NO_TIME,
            are_timed: true,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, line: &str) {
        // Other lines belong to other sections.
        let Some(line) = line.strip_prefix("packet|") else {
            return;
        };
        let field = |name: &str| {
            let mut fields = line.split('|').filter_map(|field| field.split_once('='));
            fields
                .find(|(key, _)| *key == name)
                .map_or("", |(_, value)| value)
        };
        if field("flags").contains('D') {
            self.discarded += 1;
            return;
        }
        let time = |name| field(name).parse::<i64>().ok();
        let begin = time("pts").or_else(|| time("dts"));
        self.are_timed &= begin.is_some();
        self.latest = begin.unwrap_or(self.latest);
        // A video with one frame more than allowed is refused.
        if self.times.len() <= MAX_FRAMES {
            self.times.push(self.latest);
        }
        if self.times.len() == 1 {
            self.first_dts = time("dts");
        }
        if self.key.is_none() && field("flags").contains('K') {
            self.key = time("pts").zip(time("dts"));
        }
        if let Some(begin) = begin {
            let end = begin.saturating_add(time("duration").unwrap_or(0));
            self.begin = Some(self.begin.map_or(begin, |earliest| earliest.min(begin)));
            self.end = Some(self.end.map_or(end, |latest| latest.max(end)));
        }
    }

    /// torchcodec's metadata of the stream, with its order of rounding.
    pub(crate) fn metadata(&self, stream: &Stream) -> VideoMetadata {
        let seconds = |time: i64| {
            let (top, bottom) = stream.time_base()?;
            Some(time as f64 * top / bottom)
        };
        let duration = (self.begin.and_then(seconds))
            .zip(self.end.and_then(seconds))
            .map(|(begin, end)| end - begin);
        let rate = duration.filter(|&seconds| seconds != 0.0);
        VideoMetadata {
            num_frames: self.times.len(),
            fps: rate
                .map(|seconds| self.times.len() as f64 / seconds)
                .or(stream.frame_rate()),
            duration,
            frame_times: None,
        }
    }

    /// What is wrong with a file that was cut off.
    pub(crate) fn warning(&self, stream: &Stream) -> Option<String> {
        let there = self.times.len() + self.discarded;
        let counted = there.saturating_mul(self.frames_per_packet());
        let claimed = stream.claimed_frames();
        let short = claimed.filter(|&claimed| claimed > counted);
        if let Some(claimed) = short {
            return Some(format!(
                "the header claims {claimed} frames; the file has {there}"
            ));
        }
        let complaint = self.complaint.as_ref()?;
        Some(format!(
            "the file is damaged or cut off ({complaint}); it has {there} frames"
        ))
    }

    /// How many frames the header counts for a packet, at most.
    fn frames_per_packet(&self) -> usize {
        match (self.begin, self.end) {
            (Some(begin), Some(end)) if self.has_empty_frames => {
                let frames = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
                frames.div_ceil(self.times.len()).max(1)
            }
            _ => 1,
        }
    }

    /// The times for which ffmpeg's seek in an MP4 finds the first key frame, though it is shown later. The index of the
    /// file begins with the first packet that an edit list does not hide.
    pub(crate) fn early_seeks(&self) -> Option<Range<i64>> {
        let (pts, dts) = self.key?;
        let found = dts.saturating_sub(self.first_dts?);
        (self.discarded > 0 && found < pts).then_some(found..pts)
    }

    /// Whether each packet has a time.
    pub(crate) fn are_timed(&self) -> bool {
        self.are_timed
    }

    /// The times in order. `None` where no packet has a time.
    pub(crate) fn into_times(mut self) -> Option<Vec<i64>> {
        self.times.sort_unstable();
        self.begin.is_some().then_some(self.times)
    }
}

/// What the demuxer says in a line of messages. Decoders complain too, but they run again when frames are read.
fn complaint<'a>(line: &'a str, demuxer: &str) -> Option<&'a str> {
    let (module, words) = line.strip_prefix('[')?.split_once("] ")?;
    let names = module.split(' ').next()?;
    names
        .split(',')
        .any(|name| name == demuxer)
        .then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[&str]) -> Packets {
        let mut packets = Packets::new();
        for line in lines {
            packets.add(&format!("packet|{line}"));
            packets.add("");
        }
        packets
    }

    fn stream() -> Stream {
        serde_json::from_str(r#"{"time_base": "1/100", "r_frame_rate": "25/1", "nb_frames": "4"}"#)
            .unwrap()
    }

    #[test]
    fn packets_are_counted_and_timed_in_display_order() {
        let packets = packets(&[
            "pts=-8|dts=-16|duration=4|flags=KD",
            "pts=4|dts=-4|duration=4|flags=K_",
            "pts=16|dts=0|duration=4|flags=__",
            "pts=N/A|dts=12|duration=N/A|flags=___",
        ]);
        let metadata = packets.metadata(&stream());
        assert_eq!(
            (metadata.num_frames, metadata.duration),
            (3, Some(0.2 - 0.04))
        );
        assert_eq!(metadata.fps, Some(3.0 / (0.2 - 0.04)));
        assert_eq!(packets.warning(&stream()), None);
        assert_eq!(packets.into_times(), Some(vec![4, 12, 16]));
    }

    #[test]
    fn times_are_in_display_order() {
        let times = |lines: &[&str]| packets(lines).into_times();
        let found = times(&[
            "pts=4|dts=-4|flags=K_",
            "pts=16|dts=0|flags=__",
            "pts=-4|dts=2|flags=KD",
            "pts=N/A|dts=N/A|flags=__",
            "pts=8|dts=4|flags=__",
        ]);
        assert_eq!(found, Some(vec![4, 8, 16, 16]));
        let found = times(&["pts=N/A|dts=N/A|flags=K_", "pts=4|dts=4|flags=__"]);
        assert_eq!(found, Some(vec![NO_TIME, 4]));
        assert_eq!(times(&["pts=N/A|dts=N/A|flags=K_"]), None);
    }

    #[test]
    fn a_seek_can_find_a_key_frame_too_early() {
        let lines = [
            "pts=-40|dts=-40|flags=KD",
            "pts=20|dts=-10|flags=__",
            "pts=0|dts=0|flags=__",
            "pts=80|dts=50|flags=K_",
            "pts=60|dts=60|flags=__",
        ];
        assert_eq!(packets(&lines).early_seeks(), Some(60..80));
        // Nothing is hidden.
        assert_eq!(packets(&lines[1..]).early_seeks(), None);
    }

    #[test]
    fn without_a_duration_the_header_gives_the_rate() {
        let metadata = packets(&["pts=4|dts=4|duration=N/A|flags=K_"]).metadata(&stream());
        assert_eq!((metadata.duration, metadata.fps), (Some(0.0), Some(25.0)));
        let metadata = packets(&["pts=N/A|dts=N/A|duration=4|flags=K_"]).metadata(&stream());
        assert_eq!((metadata.duration, metadata.fps), (None, Some(25.0)));
    }

    #[test]
    fn only_the_demuxer_complains_about_the_file() {
        let line = "[matroska,webm @ 0x55d0] File ended prematurely";
        assert_eq!(complaint(line, "matroska"), Some("File ended prematurely"));
        assert_eq!(complaint("[mpeg2video @ 0x1] ac-tex damaged", "mpeg"), None);
        assert_eq!(complaint("mpeg: damaged", "mpeg"), None);
    }

    #[test]
    fn warnings_name_their_reason() {
        let warning = |packets: Packets| packets.warning(&stream());
        let short = warning(packets(&["pts=0|flags=K_"])).unwrap();
        assert!(short.contains("claims 4 frames; the file has 1"));
        let complaint = Some("partial file".into());
        let damaged = Packets {
            complaint,
            ..packets(&["pts=0|flags=K_"; 4])
        };
        assert!(warning(damaged).unwrap().contains("(partial file)"));
        assert_eq!(warning(packets(&["pts=0|flags=__"; 4])), None);
        let sparse = |times: &[&str]| Packets {
            has_empty_frames: true,
            ..packets(times)
        };
        let two = ["dts=0|duration=1|flags=K_", "dts=2|duration=1|flags=__"];
        assert_eq!(warning(sparse(&two)), None);
        assert!(warning(packets(&two)).is_some());
        assert!(warning(sparse(&two[..1])).is_some());
    }
}
