use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use glm4v::image::RgbImage;
use glm4v::{Clip, ClipInfo, VideoProcessor};
use serde_json::Value;

/// A video file being decoded.
pub struct Video {
    /// What is known of the clip before its frames are.
    pub info: ClipInfo,
    /// The frames, in the order in which they are shown.
    pub frames: Frames,
}

/// Frames as ffmpeg decodes them.
pub struct Frames {
    ffmpeg: Child,
    pixels: ChildStdout,
    height: u32,
    width: u32,
}

/// Why no video can be decoded here, if none can.
#[must_use]
pub fn no_video_decoder() -> Option<String> {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.arg("-version").stdout(Stdio::null());
        let status = command.status().map_err(|error| error.to_string());
        match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{program}: {status}")),
            Err(error) => Some(format!("{program}: {error}")),
        }
    };
    runs("ffmpeg").or_else(|| runs("ffprobe"))
}

/// The patch rows of a video file.
///
/// # Errors
/// If it cannot be decoded, or the clip is refused.
pub fn read_video(path: &Path, processor: &VideoProcessor) -> Result<Clip> {
    let video = open_video(path)?;
    processor.try_clip(video.frames, &video.info)
}

/// Starts decoding the first video stream of a file.
///
/// # Errors
/// If ffmpeg is not there, or does not know the file.
pub fn open_video(path: &Path) -> Result<Video> {
    let stream = probe(path)?;
    let number = |name: &str| {
        let value = &stream[name];
        let digits = value.as_str().map_or(value.to_string(), str::to_owned);
        digits
            .parse::<u32>()
            .with_context(|| format!("{}: {name} is {value}", path.display()))
    };
    let num_frames = number("nb_read_frames")?;
    let (frames, per) = rate(&stream).context("no frame rate")?;
    Ok(Video {
        info: ClipInfo {
            num_frames: num_frames as usize,
            fps: Some(frames / per),
            duration: Some(f64::from(num_frames) * per / frames),
        },
        frames: Frames::start(path, number("height")?, number("width")?)?,
    })
}

/// The stream's fields, its frames counted by decoding them all.
fn probe(path: &Path) -> Result<Value> {
    let fields = "stream=width,height,avg_frame_rate,nb_read_frames";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-count_frames"])
        .args(["-show_entries", fields, "-of", "json"])
        .arg(path)
        .stderr(Stdio::inherit())
        .output()
        .context("ffprobe does not start")?;
    ensure!(output.status.success(), "ffprobe: {}", output.status);
    let mut found: Value = serde_json::from_slice(&output.stdout)?;
    Ok(found["streams"][0].take())
}

/// Numerator and denominator of the average frame rate.
fn rate(stream: &Value) -> Option<(f64, f64)> {
    let (frames, per) = stream["avg_frame_rate"].as_str()?.split_once('/')?;
    Some((frames.parse().ok()?, per.parse().ok()?))
}

impl Frames {
    fn start(path: &Path, height: u32, width: u32) -> Result<Self> {
        // Passed through: frames are neither dropped nor repeated to keep a rate.
        let mut ffmpeg = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(path)
            .args(["-map", "0:v:0", "-fps_mode", "passthrough"])
            .args(["-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .context("ffmpeg does not start")?;
        let pixels = ffmpeg.stdout.take().context("ffmpeg has no output")?;
        Ok(Self {
            ffmpeg,
            pixels,
            height,
            width,
        })
    }

    fn read(&mut self) -> Result<Option<RgbImage>> {
        let size = 3 * self.height as usize * self.width as usize;
        let mut bytes = Vec::with_capacity(size);
        self.pixels
            .by_ref()
            .take(size as u64)
            .read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            let status = self.ffmpeg.wait()?;
            ensure!(status.success(), "ffmpeg: {status}");
            return Ok(None);
        }
        let frame = RgbImage::from_raw(self.width, self.height, bytes);
        Ok(Some(frame.context("the last frame is cut off")?))
    }
}

impl Iterator for Frames {
    type Item = Result<RgbImage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // Frames that nobody asks for: ffmpeg may have ended, and then there is nothing to end.
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
    }
}
