use crate::VideoMetadata;
use crate::codec::ImageCodec;

/// The contents of an animated image, without its pixels.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) format: AnimatedFormat,
    /// (width, height).
    pub(crate) size: (u32, u32),
    /// How long each complete frame is shown, in seconds.
    pub(crate) delays: Vec<f64>,
    pub(crate) warning: Option<String>,
}

/// The formats that can be animated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnimatedFormat {
    Gif,
    Png,
    WebP,
}

impl AnimatedFormat {
    pub(crate) const fn of(codec: ImageCodec) -> Option<Self> {
        match codec {
            ImageCodec::Gif => Some(Self::Gif),
            ImageCodec::Png => Some(Self::Png),
            ImageCodec::WebP => Some(Self::WebP),
            ImageCodec::Avif | ImageCodec::Bmp | ImageCodec::Jpeg | ImageCodec::Tiff => None,
        }
    }

    /// The format's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gif => ImageCodec::Gif.name(),
            Self::Png => ImageCodec::Png.name(),
            Self::WebP => ImageCodec::WebP.name(),
        }
    }
}

impl Contents {
    pub(crate) fn metadata(&self) -> VideoMetadata {
        let mut duration = 0.0;
        let mut start = |delay: &f64| {
            let start = duration;
            duration += delay;
            start
        };
        let times: Vec<f64> = self.delays.iter().map(&mut start).collect();
        VideoMetadata {
            num_frames: times.len(),
            fps: Some(times.len() as f64 / duration),
            duration: Some(duration),
            frame_times: Some(times),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_delays_added_up() {
        let contents = Contents {
            format: AnimatedFormat::Gif,
            size: (1, 1),
            delays: vec![0.5, 0.25, 1.25],
            warning: None,
        };
        let metadata = contents.metadata();
        assert_eq!((metadata.num_frames, metadata.fps), (3, Some(1.5)));
        assert_eq!(metadata.duration, Some(2.0));
        assert_eq!(metadata.frame_times, Some(vec![0.0, 0.5, 0.75]));
    }
}
