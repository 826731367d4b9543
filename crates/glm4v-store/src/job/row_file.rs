//! `shard-000000.rows`: the rows of a shard that is not finished.
//!
//! A shard is written from this file when it is full. So an interruption of any kind loses only the batch that was being
//! encoded. Nothing is synced: after a power failure, a checksum finds the rows that are not whole.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::disk::{Disk, Output};
use crate::record::VideoInfo;
use crate::shard::{Layout, Row, Values, shard_name};

/// The file, open for writing at its end.
pub(super) struct RowFile {
    path: PathBuf,
    /// `None` once it is closed.
    output: Option<BufWriter<Box<dyn Output>>>,
}

/// What starts a frame: the length of its head, the length of its values, and a checksum of both.
struct Lengths {
    head: u32,
    values: u64,
    checksum: u32,
}

/// A row without its values.
#[derive(Serialize, Deserialize)]
struct Head<'a> {
    input: usize,
    id: Cow<'a, str>,
    path: Cow<'a, str>,
    path_bytes: Option<Cow<'a, [u8]>>,
    sha256: Option<Cow<'a, str>>,
    outcome: Result<Encoded<'a>, Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Encoded<'a> {
    grid: [usize; 3],
    tokens: usize,
    video: Option<Video<'a>>,
}

/// The bits of floats, because JSON lacks some of their values.
#[derive(Serialize, Deserialize)]
struct Video<'a> {
    indices: Cow<'a, [usize]>,
    timestamps: Vec<u64>,
    fps: Option<u64>,
    duration: Option<u64>,
    total_frames: Option<usize>,
}

enum Frame {
    Row(Box<Head<'static>>),
    /// The end of a batch. Only rows before such a mark count.
    BatchEnd,
}

/// Reads a file of rows. It ends at the first frame that is not whole.
struct Frames {
    reader: BufReader<File>,
    /// Bytes of the file that were not read yet.
    left: u64,
    /// The values of the last row.
    values: Vec<u8>,
}

impl RowFile {
    /// The name of the file with the rows of shard `number`.
    pub(super) fn name(number: usize) -> String {
        shard_name(number, "rows")
    }

    /// Whether a file of rows can have this name. Other files are not ours.
    pub(super) fn is_name(name: &str) -> bool {
        let number = name
            .strip_prefix("shard-")
            .and_then(|rest| rest.strip_suffix(".rows"));
        number.is_some_and(|number| {
            number
                .parse()
                .is_ok_and(|number| Self::name(number) == name)
        })
    }

    /// Starts an empty file.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        number: usize,
    ) -> Result<Self, StoreError> {
        let path = dir.join(Self::name(number));
        let output = disk.create(&path).map_err(StoreError::io(&path))?;
        Ok(Self::new(path, output))
    }

    /// Goes on with the file that an interruption left. `see` gets each row of the batches that had ended. The rest is cut off.
    ///
    /// Returns `None` if there is no such row. The file is that of shard `number`, after `done` inputs in the shards before it. A row
    /// that does not follow them, or that `layout` cannot have, ends the file.
    pub(super) fn recover(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        (number, done): (usize, usize),
        layout: &Layout,
        mut see: impl FnMut(&Row<'_>),
    ) -> Result<Option<Self>, StoreError> {
        let path = dir.join(Self::name(number));
        let at = || StoreError::io(&path);
        let (size, whole, inputs) = match size_of_whole_batches(&path, done, layout) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(at())?,
        };
        if inputs == 0 {
            disk.remove(&path).map_err(at())?;
            return Ok(None);
        }
        if whole < size {
            disk.truncate(&path, whole).map_err(at())?;
        }
        replay(&path, inputs, |row| {
            see(row);
            Ok(())
        })?;
        let output = disk.append(&path).map_err(at())?;
        Ok(Some(Self::new(path, output)))
    }

    fn new(path: PathBuf, output: Box<dyn Output>) -> Self {
        let output = Some(BufWriter::with_capacity(1 << 18, output));
        Self { path, output }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let (head, values) = (Head::of(row), row.outcome.as_ref().ok());
        let values = values.map_or(&[][..], |values| values.bytes);
        let written = serde_json::to_vec(&head)
            .map_err(io::Error::from)
            .and_then(|head| self.write(&head, values));
        written.map_err(StoreError::io(&self.path))
    }

    /// Marks the end of a batch. From here on its rows survive the process.
    pub(super) fn end_batch(&mut self) -> Result<(), StoreError> {
        let written = self.write(&[], &[]).and_then(|()| self.output()?.flush());
        written.map_err(StoreError::io(&self.path))
    }

    /// Passes all `inputs` rows on, in order. The last batch must have ended.
    pub(super) fn replay(
        &self,
        inputs: usize,
        push: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        replay(&self.path, inputs, push)
    }

    /// Removes the file, whose rows are in a finished shard.
    pub(super) fn remove(mut self, disk: &dyn Disk) -> Result<(), StoreError> {
        // Windows removes closed files only.
        self.close();
        disk.remove(&self.path).map_err(StoreError::io(&self.path))
    }

    fn write(&mut self, head: &[u8], values: &[u8]) -> io::Result<()> {
        let lengths = Lengths {
            head: u32::try_from(head.len()).map_err(io::Error::other)?,
            values: values.len() as u64,
            checksum: checksum(head, values),
        };
        let output = self.output()?;
        output.write_all(&lengths.to_bytes())?;
        output.write_all(head)?;
        output.write_all(values)
    }

    fn output(&mut self) -> io::Result<&mut BufWriter<Box<dyn Output>>> {
        let closed = || io::Error::other("the file is closed");
        self.output.as_mut().ok_or_else(closed)
    }

    /// Closes the file. What waits in the buffer belongs to a batch that did not end.
    fn close(&mut self) {
        if let Some(output) = self.output.take() {
            drop(output.into_parts());
        }
    }
}

impl Drop for RowFile {
    fn drop(&mut self) {
        self.close();
    }
}

impl Lengths {
    const BYTES: usize = 16;

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.head.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.values.to_le_bytes());
        bytes[12..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [h0, h1, h2, h3, values @ .., c0, c1, c2, c3] = bytes;
        Self {
            head: u32::from_le_bytes([h0, h1, h2, h3]),
            values: u64::from_le_bytes(values),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
        }
    }
}

/// It is never 0, so that a block of zeros, which a power failure can leave, is no frame.
fn checksum(head: &[u8], values: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(head);
    hash.update(values);
    hash.finalize().max(1)
}

impl<'a> Head<'a> {
    fn of(row: &Row<'a>) -> Self {
        Self {
            input: row.input,
            id: row.id.into(),
            path: row.path.into(),
            path_bytes: row.path_bytes.map(Cow::Borrowed),
            sha256: row.sha256.map(Cow::Borrowed),
            outcome: match &row.outcome {
                Ok(values) => Ok(Encoded {
                    grid: values.grid.into(),
                    tokens: values.tokens,
                    video: values.video.as_ref().map(Video::of),
                }),
                Err(error) => Err((*error).into()),
            },
        }
    }

    /// Whether a row of `layout` can have these values.
    fn fits(&self, values: &[u8], layout: &Layout) -> bool {
        match &self.outcome {
            Ok(encoded) => layout.fits(encoded.tokens, values.len()),
            Err(_) => values.is_empty(),
        }
    }

    /// Passes the row on, with these values.
    fn with_values<T>(&self, values: &[u8], use_row: impl FnOnce(&Row<'_>) -> T) -> T {
        let video = self
            .outcome
            .as_ref()
            .ok()
            .and_then(|encoded| encoded.video.as_ref());
        let timestamps: Vec<f64> = video.map_or(Vec::new(), |video| {
            video
                .timestamps
                .iter()
                .copied()
                .map(f64::from_bits)
                .collect()
        });
        let row = Row {
            input: self.input,
            id: &self.id,
            path: &self.path,
            path_bytes: self.path_bytes.as_deref(),
            sha256: self.sha256.as_deref(),
            outcome: match &self.outcome {
                Ok(encoded) => Ok(Values {
                    grid: encoded.grid.into(),
                    tokens: encoded.tokens,
                    bytes: values,
                    video: video.map(|video| video.info(&timestamps)),
                }),
                Err(error) => Err(error),
            },
        };
        use_row(&row)
    }
}

impl<'a> Video<'a> {
    fn of(video: &VideoInfo<'a>) -> Self {
        Self {
            indices: Cow::Borrowed(video.indices),
            timestamps: video
                .timestamps
                .iter()
                .map(|seconds| seconds.to_bits())
                .collect(),
            fps: video.fps.map(f64::to_bits),
            duration: video.duration.map(f64::to_bits),
            total_frames: video.total_frames,
        }
    }

    fn info<'b>(&'b self, timestamps: &'b [f64]) -> VideoInfo<'b> {
        VideoInfo {
            indices: &self.indices,
            timestamps,
            fps: self.fps.map(f64::from_bits),
            duration: self.duration.map(f64::from_bits),
            total_frames: self.total_frames,
        }
    }
}

impl Frames {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            left: file.metadata()?.len(),
            reader: BufReader::with_capacity(1 << 18, file),
            values: Vec::new(),
        })
    }

    /// The next frame. `None` at the end, and at a frame that is not whole.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut start = [0; Lengths::BYTES];
        if !self.fill(&mut start)? {
            return Ok(None);
        }
        let lengths = Lengths::of_bytes(start);
        let content = u64::from(lengths.head).saturating_add(lengths.values);
        if content > self.left {
            return Ok(None);
        }
        let mut head = vec![0; lengths.head as usize];
        let mut values = std::mem::take(&mut self.values);
        values.resize(lengths.values as usize, 0);
        let is_whole = self.fill(&mut head)? && self.fill(&mut values)?;
        self.values = values;
        if !is_whole || checksum(&head, &self.values) != lengths.checksum {
            return Ok(None);
        }
        if head.is_empty() {
            return Ok(Some(Frame::BatchEnd));
        }
        let head = serde_json::from_slice(&head).ok();
        Ok(head.map(|head| Frame::Row(Box::new(head))))
    }

    /// Fills `buffer`. `false` if the file ends before.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        if (buffer.len() as u64) > self.left {
            return Ok(false);
        }
        self.reader.read_exact(buffer)?;
        self.left -= buffer.len() as u64;
        Ok(true)
    }
}

/// The size of the file, the size of its batches that are whole, and the number of inputs in them.
fn size_of_whole_batches(
    path: &Path,
    done: usize,
    layout: &Layout,
) -> io::Result<(u64, u64, usize)> {
    let size = fs::metadata(path)?.len();
    let (mut frames, mut rows) = (Frames::open(path)?, 0);
    let (mut whole, mut inputs) = (0, 0);
    while let Some(frame) = frames.next()? {
        match frame {
            Frame::Row(head) if head.input != done + rows => break,
            Frame::Row(head) if !head.fits(&frames.values, layout) => break,
            Frame::Row(_) => rows += 1,
            Frame::BatchEnd => (whole, inputs) = (size - frames.left, rows),
        }
    }
    Ok((size, whole, inputs))
}

fn replay(
    path: &Path,
    inputs: usize,
    mut push: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut frames = Frames::open(path).map_err(StoreError::io(path))?;
    let mut rows = 0;
    while rows < inputs {
        match frames.next().map_err(StoreError::io(path))? {
            Some(Frame::Row(head)) => head.with_values(&frames.values, &mut push)?,
            Some(Frame::BatchEnd) => continue,
            None => {
                let problem =
                    "the file was changed while the job ran; run the same job again, it continues";
                return Err(StoreError::damaged(path, problem));
            }
        }
        rows += 1;
    }
    Ok(())
}
