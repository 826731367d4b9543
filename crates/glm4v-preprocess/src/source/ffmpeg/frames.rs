use std::sync::mpsc::{self, Receiver};

use image::RgbImage;

use super::file::VideoFile;
use super::program::Running;
use super::select::Selection;
use super::times::{Report, report_filter};
use crate::PreprocessError;

/// The selected frames of a video file, from ffmpeg's output.
///
/// In most files, every packet becomes a frame: the frame for packet i is the i-th one. Its time shows whether this is
/// true. At the first frame with another time, the frames of the file are listed, and the rest is found by time.
pub(crate) struct VideoReader<'a> {
    file: &'a VideoFile,
    requests: Vec<Request>,
    decoding: Option<Decoding>,
    are_listed: bool,
    /// A frame that the next request needs too.
    shared: Option<RgbImage>,
}

struct Request {
    index: usize,
    /// The packet whose frame is shown.
    packet: usize,
    /// The frame, counted from 0 in the order of decoding.
    number: usize,
}

impl VideoFile {
    pub(crate) fn reader(&self, indices: &[usize]) -> Result<VideoReader<'_>, PreprocessError> {
        let requests = self.requests(indices);
        let decoding = match indices {
            [] => None,
            [..] => Some(Decoding::start(self, &requests, false)?),
        };
        Ok(VideoReader {
            file: self,
            requests,
            decoding,
            are_listed: false,
            shared: None,
        })
    }

    /// A request for each index. torchcodec decodes consecutive packets without a seek.
    fn requests(&self, indices: &[usize]) -> Vec<Request> {
        let mut indices = indices.to_vec();
        indices.dedup();
        let last = self.times().map_or(usize::MAX, |times| times.len() - 1);
        let mut next = (0, 0);
        let request = |index: usize| {
            let packet = match next {
                (next_index, next_packet) if next_index == index => next_packet.min(last),
                // Frames arrive in order, so none is earlier than the one before.
                (_, next_packet) => self.sought(index).max(next_packet.saturating_sub(1)),
            };
            next = (index + 1, packet + 1);
            Request {
                index,
                packet,
                number: packet,
            }
        };
        indices.into_iter().map(request).collect()
    }
}

impl VideoReader<'_> {
    pub(crate) fn frame(&mut self, index: usize) -> Result<RgbImage, PreprocessError> {
        let request = (self.requests).partition_point(|request| request.index < index);
        let mut frame = self.next(request)?;
        if frame.is_none() && !self.are_listed {
            self.list(request)?;
            frame = self.next(request)?;
        }
        let frame = frame.ok_or_else(|| self.ended(index))?;
        let shares = |next: &Request| next.number == self.requests[request].number;
        if self.requests.get(request + 1).is_some_and(shares) {
            self.shared = Some(frame.clone());
        }
        Ok(self.file.rotation.apply(frame))
    }

    /// The frame of a request; `None` where ffmpeg passes on another frame, or no frame.
    fn next(&mut self, request: usize) -> Result<Option<RgbImage>, PreprocessError> {
        if let Some(frame) = self.shared.take() {
            return Ok(Some(frame));
        }
        let Request { packet, number, .. } = self.requests[request];
        let decoding = self.decoding.as_mut();
        let Some((frame, time)) = decoding.map_or(Ok(None), |decoding| decoding.frame(number))?
        else {
            return Ok(None);
        };
        let is_shown = |times: &[i64]| time == Some(times[packet]);
        let is_right = self.are_listed || self.file.times().is_none_or(is_shown);
        Ok(is_right.then_some(frame))
    }

    /// Finds the frames of the requests from `first` on.
    fn list(&mut self, first: usize) -> Result<(), PreprocessError> {
        let shown = self.file.list_frames(self.requests[first].index)?;
        let packets: Vec<usize> = (self.requests.iter())
            .map(|request| request.packet)
            .collect();
        let choices = shown.choose(self.file.times(), &packets);
        let replaced = choices.iter().filter(|choice| choice.is_replaced);
        self.file.set_replaced(replaced.count(), choices.len());
        let mut least = 0;
        for (request, choice) in self.requests.iter_mut().zip(choices) {
            // Frames arrive in the order of decoding, and no frame arrives twice.
            least = least.max(choice.number);
            request.number = least;
        }
        self.are_listed = true;
        let decoding = Decoding::start(self.file, &self.requests[first..], shown.is_damaged)?;
        self.decoding = Some(decoding);
        Ok(())
    }

    fn ended(&mut self, index: usize) -> PreprocessError {
        let finish = |decoding: Decoding| decoding.running.finish();
        let message = match self.decoding.take().map_or(Ok(None), finish) {
            Err(PreprocessError::Program { message, .. }) => Some(message),
            Err(error @ PreprocessError::ProgramKilled { .. }) => Some(error.to_string()),
            Ok(message) => message,
            Err(_) => None,
        };
        PreprocessError::ended_early(index, message)
    }
}

/// A run of ffmpeg that passes on some frames.
struct Decoding {
    running: Running,
    numbers: Box<dyn Iterator<Item = usize> + Send>,
    times: Receiver<Option<i64>>,
    /// (width, height)
    size: (u32, u32),
}

impl Decoding {
    fn start(
        file: &VideoFile,
        requests: &[Request],
        is_damaged: bool,
    ) -> Result<Self, PreprocessError> {
        let numbers: Vec<usize> = requests.iter().map(|request| request.number).collect();
        let selection = Selection::new(&numbers);
        let filters = format!("select='{}',{}", selection.expression, report_filter(2));
        let count = selection.count().to_string();
        let mut args = file.decode_args(is_damaged);
        args.extend(["-vf", &filters, "-frames:v", &count].map(Into::into));
        args.extend(["-pix_fmt", "rgb24", "-f", "rawvideo", "-"].map(Into::into));
        let (sender, times) = mpsc::channel();
        let running = Running::watch(&file.ffmpeg, &args, file.input.limits, move |line| {
            if let Some(Report::Frame(time)) = Report::parse(line) {
                // The receiver is dropped where no more frames are requested.
                let _ = sender.send(time);
            }
        })?;
        Ok(Self {
            running,
            numbers: Box::new(selection.indices()),
            times,
            size: file.coded,
        })
    }

    /// The frame with this number and its time; `None` where ffmpeg ends before.
    fn frame(&mut self, number: usize) -> Result<Option<(RgbImage, Option<i64>)>, PreprocessError> {
        let (width, height) = self.size;
        let mut pixels = vec![0; 3 * width as usize * height as usize];
        for passed in self.numbers.by_ref() {
            if !self.running.fill(&mut pixels)? {
                return Ok(None);
            }
            // ffmpeg reports the time before it writes the pixels.
            let time = self.times.recv().ok().flatten();
            if passed == number {
                let frame = RgbImage::from_raw(width, height, pixels);
                return Ok(Some((frame.expect("the pixels fill it"), time)));
            }
        }
        Ok(None)
    }
}
