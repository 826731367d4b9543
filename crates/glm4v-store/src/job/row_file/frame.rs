//! A frame: a row, or the end of a batch, as it lies in a file of rows.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::record::VideoInfo;
use crate::shard::{Layout, Row, Values};

/// What starts a frame: the length of its head, the length of its values, and a checksum of both.
struct Lengths {
    head: u32,
    values: u64,
    checksum: u32,
}

/// A row without its values.
#[derive(Serialize, Deserialize)]
pub(super) struct Head<'a> {
    pub(super) input: usize,
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

pub(super) enum Frame {
    Row(Box<Head<'static>>),
    /// The end of a batch. Only rows before such a mark count.
    BatchEnd,
}

/// Reads a file of rows. It ends at the first frame that is not whole.
pub(super) struct Frames {
    reader: BufReader<File>,
    /// Bytes of the file that were not read yet.
    pub(super) left: u64,
    /// The values of the last row.
    pub(super) values: Vec<u8>,
}

/// Writes a frame. One without a head ends a batch.
pub(super) fn write(output: &mut impl Write, head: &[u8], values: &[u8]) -> io::Result<()> {
    let lengths = Lengths {
        head: u32::try_from(head.len()).map_err(io::Error::other)?,
        values: values.len() as u64,
        checksum: checksum(head, values),
    };
    output.write_all(&lengths.to_bytes())?;
    output.write_all(head)?;
    output.write_all(values)
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
    pub(super) fn of(row: &Row<'a>) -> Self {
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
    pub(super) fn fits(&self, values: &[u8], layout: &Layout) -> bool {
        match &self.outcome {
            Ok(encoded) => layout.fits(encoded.tokens, values.len()),
            Err(_) => values.is_empty(),
        }
    }

    /// Passes the row on, with these values.
    pub(super) fn with_values<T>(&self, values: &[u8], use_row: impl FnOnce(&Row<'_>) -> T) -> T {
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
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            left: file.metadata()?.len(),
            reader: BufReader::with_capacity(1 << 18, file),
            values: Vec::new(),
        })
    }

    /// The next frame. `None` at the end, and at a frame that is not whole.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
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
