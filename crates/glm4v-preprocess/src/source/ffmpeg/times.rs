//! The times of frames, as ffmpeg's filter `metadata` reports them beside the pixels.

/// An entry that every frame gets: the filter reports only frames that have one.
const ENTRY: &str = "glm4v";

/// A filter that writes one line for each frame to ffmpeg's pipe `number`, before the frame is passed on.
pub(super) fn report_filter(pipe: u8) -> String {
    format!(
        "metadata=mode=add:key={ENTRY}:value=1,\
         metadata=mode=print:key={ENTRY}:file='pipe\\:{pipe}':direct=1"
    )
}

/// A line of the filter's report.
#[derive(Debug, PartialEq)]
pub(super) enum Report {
    /// A frame, and its time in the stream's unit if it has one.
    Frame(Option<i64>),
    /// The entry of the frame before.
    Entry,
}

impl Report {
    /// `None` for a line that is not from the filter. Another thread of ffmpeg may have begun the line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        if line.ends_with(&format!("{ENTRY}=1")) {
            return Some(Self::Entry);
        }
        let (_, frame) = line.split_once("frame:")?;
        let (_, time) = frame.split_once(" pts:")?;
        let time = time.split_whitespace().next()?;
        Some(Self::Frame(time.parse().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_filter_are_told_from_messages() {
        let frame = |line: &str| Report::parse(line);
        assert_eq!(
            frame("frame:12   pts:-512    pts_time:-0.04"),
            Some(Report::Frame(Some(-512)))
        );
        assert_eq!(
            frame("[h264 @ 0x1] frame:0    pts:NOPTS   pts_time:NOPTS"),
            Some(Report::Frame(None))
        );
        assert_eq!(frame("glm4v=1"), Some(Report::Entry));
        assert_eq!(frame("[h264 @ 0x1] Invalid frame: no pts"), None);
    }
}
