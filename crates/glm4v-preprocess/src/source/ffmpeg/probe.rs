use std::cmp::Reverse;
use std::path::Path;
use std::sync::mpsc;

use image::{RgbImage, imageops};
use serde::Deserialize;

use super::program::{Input, Running};
use crate::PreprocessError;

/// ffprobe's description of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stream {
    pub(crate) index: usize,
    codec_type: String,
    codec_name: Option<String>,
    width: u32,
    height: u32,
    time_base: String,
    r_frame_rate: String,
    nb_frames: Option<String>,
    bit_rate: Option<String>,
    disposition: Disposition,
    side_data_list: Vec<SideData>,
    /// Packets of the stream that ffprobe read to find out about the streams. It is 0 where only one stream is a video.
    #[serde(skip)]
    probed_packets: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Disposition {
    default: u8,
    hearing_impaired: u8,
    visual_impaired: u8,
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SideData {
    rotation: Option<f64>,
}

const ENTRIES: &str = "stream=index,codec_type,codec_name,width,height,time_base,r_frame_rate,nb_frames,bit_rate\
:stream_disposition=default,hearing_impaired,visual_impaired,attached_pic:stream_side_data=rotation";

/// With this many packets, a stream counts as a video for ffmpeg, and not as an image.
const ENOUGH_PACKETS: usize = 5;

impl Stream {
    /// The stream that `av_find_best_stream` takes. ffmpeg counts the cover image of an album as a video stream; it is
    /// ignored here.
    pub(crate) fn find(ffprobe: &Path, input: &Input) -> Result<Self, PreprocessError> {
        let streams = all(ffprobe, input)?;
        Self::best(streams, |videos| {
            count_probed_packets(ffprobe, input, videos)
        })
    }

    /// The best video of `streams`. Packets are counted where several streams are videos.
    pub(super) fn best(
        streams: Vec<Self>,
        count_packets: impl FnOnce(&mut [Self]) -> Result<(), PreprocessError>,
    ) -> Result<Self, PreprocessError> {
        let found: Vec<&str> = streams.iter().map(Self::kind).collect();
        let found = match found.as_slice() {
            [] => "no stream".into(),
            kinds => kinds.join(", "),
        };
        let videos = streams
            .into_iter()
            .filter(|stream| stream.kind() == "video");
        let mut videos: Vec<Self> = videos.collect();
        if videos.len() > 1 {
            count_packets(&mut videos)?;
        }
        // The first of equals.
        let best = videos
            .into_iter()
            .min_by_key(|stream| Reverse(stream.rank()));
        best.ok_or(PreprocessError::NoVideo { found })
    }

    fn kind(&self) -> &str {
        match (self.codec_type.as_str(), &self.codec_name) {
            ("video", None) => "video of an unknown codec",
            ("video", Some(_)) if self.disposition.attached_pic == 1 => "a cover image",
            (kind, _) => kind,
        }
    }

    /// What ffmpeg compares, in its order: a thumbnail has fewer packets than a video, whatever its bit rate.
    fn rank(&self) -> (u8, usize, u64, usize) {
        let whole = self.disposition.hearing_impaired == 0 && self.disposition.visual_impaired == 0;
        let disposed = u8::from(whole).saturating_add(self.disposition.default);
        let rate = self.bit_rate.as_deref().and_then(|rate| rate.parse().ok());
        let packets = self.probed_packets;
        (
            disposed,
            packets.min(ENOUGH_PACKETS),
            rate.unwrap_or(0),
            packets,
        )
    }

    /// (width, height) as coded.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The unit of the packets' times in seconds: a fraction.
    pub(crate) fn time_base(&self) -> Option<(f64, f64)> {
        fraction(&self.time_base)
    }

    /// Frames a second, as guessed from the header.
    pub(crate) fn frame_rate(&self) -> Option<f64> {
        let (top, bottom) = fraction(&self.r_frame_rate)?;
        Some(top / bottom).filter(|&rate| rate > 0.0)
    }

    /// The number of frames that the header claims.
    pub(crate) fn claimed_frames(&self) -> Option<usize> {
        self.nb_frames.as_deref()?.parse().ok()
    }

    pub(crate) fn rotation(&self) -> Rotation {
        let degrees = self.side_data_list.iter().find_map(|data| data.rotation);
        Rotation::nearest(degrees.unwrap_or(0.0))
    }
}

fn all(ffprobe: &Path, input: &Input) -> Result<Vec<Stream>, PreprocessError> {
    let mut args: Vec<_> = ["-v", "error", "-show_entries", ENTRIES, "-of", "json"]
        .map(Into::into)
        .into();
    args.extend(input.args());
    let mut running = Running::start(ffprobe, &args, input.limits)?;
    let mut report = String::new();
    running.lines(|line| report.push_str(line))?;
    running.finish()?;
    parse(&report).map_err(|error| PreprocessError::Program {
        program: ffprobe.to_owned(),
        message: format!("its report is invalid: {error}"),
    })
}

/// The streams of ffprobe's report.
pub(super) fn parse(report: &str) -> Result<Vec<Stream>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Report {
        #[serde(default)]
        streams: Vec<Stream>,
    }
    let report: Report = serde_json::from_str(report)?;
    Ok(report.streams)
}

/// ffprobe prints the numbers of packets only among its messages.
fn count_probed_packets(
    ffprobe: &Path,
    input: &Input,
    streams: &mut [Stream],
) -> Result<(), PreprocessError> {
    let mut args: Vec<_> = ["-v", "debug"].map(Into::into).into();
    args.extend(input.args());
    let (sender, counts) = mpsc::channel();
    let running = Running::watch(ffprobe, &args, input.limits, move |line| {
        if let Some(count) = probed_packets(line) {
            // The receiver waits for the end of the program.
            let _ = sender.send(count);
        }
    })?;
    running.finish()?;
    for (index, count) in counts {
        set_probed_packets(streams, index, count);
    }
    Ok(())
}

pub(super) fn set_probed_packets(streams: &mut [Stream], index: usize, count: usize) {
    let stream = streams.iter_mut().find(|stream| stream.index == index);
    if let Some(stream) = stream {
        stream.probed_packets = count;
    }
}

/// The index of a stream and its number of packets, from the message that describes the stream.
pub(super) fn probed_packets(line: &str) -> Option<(usize, usize)> {
    let stream = line.trim_start().strip_prefix("Stream #0:")?;
    let (stream, _) = stream.split_once(": ")?;
    let (stream, _time_base) = stream.rsplit_once(", ")?;
    let (stream, count) = stream.rsplit_once(", ")?;
    let index = stream.split(|char: char| !char.is_ascii_digit()).next()?;
    Some((index.parse().ok()?, count.parse().ok()?))
}

fn fraction(text: &str) -> Option<(f64, f64)> {
    let (top, bottom) = text.split_once('/')?;
    let (top, bottom) = (top.parse().ok()?, bottom.parse().ok()?);
    (bottom != 0.0).then_some((top, bottom))
}

/// A rotation of frames by quarters, counter-clockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Rotation {
    fn nearest(degrees: f64) -> Self {
        match (degrees / 90.0).round().rem_euclid(4.0) as u8 {
            1 => Self::Quarter,
            2 => Self::Half,
            3 => Self::ThreeQuarters,
            _ => Self::None,
        }
    }

    pub(crate) fn rotated(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self {
            Self::None | Self::Half => (width, height),
            Self::Quarter | Self::ThreeQuarters => (height, width),
        }
    }

    pub(crate) fn apply(self, mut frame: RgbImage) -> RgbImage {
        match self {
            Self::None => frame,
            Self::Quarter => imageops::rotate270(&frame),
            Self::Half => {
                imageops::rotate180_in_place(&mut frame);
                frame
            }
            Self::ThreeQuarters => imageops::rotate90(&frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn angles_are_rounded_to_quarters() {
        for (degrees, rotation) in [
            (0.0, Rotation::None),
            (-44.0, Rotation::None),
            (90.0, Rotation::Quarter),
            (-270.0, Rotation::Quarter),
            (180.0, Rotation::Half),
            (-180.0, Rotation::Half),
            (-90.0, Rotation::ThreeQuarters),
            (f64::NAN, Rotation::None),
        ] {
            assert_eq!(Rotation::nearest(degrees), rotation, "{degrees}");
        }
    }

    #[test]
    fn quarters_are_counter_clockwise() {
        let frame = RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8; 3]));
        let levels = |rotation: Rotation| -> Vec<u8> {
            let rotated = rotation.apply(frame.clone());
            assert_eq!(rotated.dimensions(), rotation.rotated((2, 1)));
            rotated.pixels().map(|pixel| pixel.0[0]).collect()
        };
        assert_eq!(levels(Rotation::Quarter), [1, 0]);
        assert_eq!(levels(Rotation::Half), [1, 0]);
        assert_eq!(levels(Rotation::ThreeQuarters), [0, 1]);
    }

    #[test]
    fn streams_are_compared_as_ffmpeg_compares_them() {
        let stream = |default, packets, rate: Option<&str>| Stream {
            disposition: Disposition {
                default,
                ..Disposition::default()
            },
            bit_rate: rate.map(Into::into),
            probed_packets: packets,
            ..Stream::default()
        };
        let ordered = [
            stream(0, 9, Some("9")),
            stream(1, 1, Some("9")),
            stream(1, 5, None),
            stream(1, 6, None),
            stream(1, 5, Some("8")),
            stream(1, 7, Some("10")),
        ];
        assert!(ordered.is_sorted_by(|worse, better| worse.rank() < better.rank()));
    }

    /// ffprobe prints 0 or 1.
    #[test]
    fn flags_of_any_size_are_compared() {
        let report = r#"{"streams": [{"disposition": {"default": 255, "hearing_impaired": 255, "visual_impaired": 1}},
            {"disposition": {"default": 255}}]}"#;
        let streams = parse(report).unwrap();
        assert_eq!((streams[0].rank().0, streams[1].rank().0), (255, 255));
    }

    #[test]
    fn packets_are_counted_by_streams() {
        let line = "  Stream #0:1[0x2](und), 15, 1/12800: Video: h264 (High) (avc1), 62x98, 25 fps";
        assert_eq!(probed_packets(line), Some((1, 15)));
        let line = "  Stream #0:12, 0, 1/1000: Audio: aac (LC), 44100 Hz, stereo, fltp";
        assert_eq!(probed_packets(line), Some((12, 0)));
        assert_eq!(probed_packets("  Stream #0:1(und): Video: h264"), None);
        assert_eq!(probed_packets("    Side data:"), None);
    }
}
