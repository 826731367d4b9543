use std::path::Path;

use super::probe::Stream;
use super::program::{Input, Running};
use crate::{PreprocessError, VideoMetadata};

/// The packets of a stream, one a frame, none of them decoded.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Packets {
    shown: usize,
    /// Hidden by an edit list.
    discarded: usize,
    /// In the stream's unit of time.
    begin: Option<i64>,
    end: Option<i64>,
    starts_inside: bool,
    complaint: Option<String>,
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
        let mut running = Running::start(ffprobe, &args)?;
        let mut packets = Self::default();
        running.lines(|line| packets.add(line))?;
        packets.complaint = running.finish()?;
        Ok(packets)
    }

    fn add(&mut self, line: &str) {
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
        let flags = field("flags");
        if self.shown + self.discarded == 0 {
            self.starts_inside = !flags.contains('K');
        }
        if flags.contains('D') {
            self.discarded += 1;
            return;
        }
        self.shown += 1;
        let time = |name| field(name).parse::<i64>().ok();
        if let Some(begin) = time("pts").or_else(|| time("dts")) {
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
            num_frames: self.shown,
            fps: rate
                .map(|seconds| self.shown as f64 / seconds)
                .or(stream.frame_rate()),
            duration,
            frame_times: None,
        }
    }

    /// Why there may be fewer frames than packets.
    pub(crate) fn doubt(&self, stream: &Stream) -> Option<String> {
        let there = self.shown + self.discarded;
        let short = stream.claimed_frames().filter(|&claimed| claimed > there);
        if let Some(claimed) = short {
            return Some(format!("the header claims {claimed} frames"));
        }
        if let Some(complaint) = &self.complaint {
            return Some(format!("the file is damaged or cut off ({complaint})"));
        }
        let inside = "the file starts inside a group of pictures";
        (self.shown > 0 && self.starts_inside).then(|| inside.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[&str]) -> Packets {
        let mut packets = Packets::default();
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
        assert_eq!(packets.doubt(&stream()), None);
    }

    #[test]
    fn without_a_duration_the_header_gives_the_rate() {
        let metadata = packets(&["pts=4|dts=4|duration=N/A|flags=K_"]).metadata(&stream());
        assert_eq!((metadata.duration, metadata.fps), (Some(0.0), Some(25.0)));
        let metadata = packets(&["pts=N/A|dts=N/A|duration=4|flags=K_"]).metadata(&stream());
        assert_eq!((metadata.duration, metadata.fps), (None, Some(25.0)));
    }

    #[test]
    fn doubts_name_their_reason() {
        let doubt = |packets: Packets| packets.doubt(&stream()).unwrap();
        assert!(doubt(packets(&["pts=0|flags=K_"])).contains("claims 4 frames"));
        assert!(doubt(packets(&["pts=0|flags=__"; 4])).contains("starts inside"));
        let complaint = Some("partial file".into());
        let damaged = Packets {
            complaint,
            ..packets(&["pts=0|flags=K_"; 4])
        };
        assert!(doubt(damaged).contains("(partial file)"));
    }
}
