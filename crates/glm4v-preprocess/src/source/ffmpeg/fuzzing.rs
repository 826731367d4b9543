//! The parsers of what ffprobe and ffmpeg print, without the programs.

use super::packets::Packets;
use super::probe::{Stream, parse, probed_packets, set_probed_packets};
use super::shown::Shown;
use super::times::Report;
use crate::{PreprocessError, VideoMetadata};

/// Most frames that are chosen.
const MOST: usize = 64;

/// Reads the report of streams, the messages, the packets and the times of frames as [`super::VideoFile`] does.
///
/// # Errors
/// Those of opening a video file.
pub fn probe(
    streams: &str,
    messages: &str,
    packets: &str,
    frames: &str,
) -> Result<VideoMetadata, PreprocessError> {
    let streams = parse(streams).map_err(|error| PreprocessError::Program {
        program: "ffprobe".into(),
        message: error.to_string(),
    })?;
    let stream = Stream::best(streams, |videos| {
        for (index, count) in messages.lines().filter_map(probed_packets) {
            set_probed_packets(videos, index, count);
        }
        Ok(())
    })?;
    stream.rotation().rotated(stream.size());
    let mut found = Packets::new();
    packets.lines().for_each(|line| found.add(line));
    let metadata = found.metadata(&stream);
    metadata.check()?;
    let (_, early) = (found.warning(&stream), found.early_seeks());
    let are_timed = found.are_timed();
    let times = found.into_times();
    if let Some(times) = &times {
        assert_eq!(times.len(), metadata.num_frames, "a packet without a time");
        assert!(times.is_sorted());
    }
    assert!(early.is_none_or(|early| early.start < early.end));
    let reports = frames.lines().filter_map(Report::parse);
    let shown: Vec<Option<i64>> = reports
        .filter_map(|report| match report {
            Report::Frame(time) => Some(time),
            Report::Entry => None,
        })
        .collect();
    let indices: Vec<usize> = (0..metadata.num_frames.min(MOST)).collect();
    if !shown.is_empty() {
        for is_damaged in [false, true] {
            let choices =
                Shown::new(&shown, is_damaged).choose(times.as_deref(), are_timed, &indices);
            assert!(choices.iter().all(|choice| choice.number < shown.len()));
        }
    }
    Ok(metadata)
}
