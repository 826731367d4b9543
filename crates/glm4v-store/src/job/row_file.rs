//! `shard-000000.rows`: the rows of a shard that is not finished.
//!
//! A shard is written from this file when it is full. So an interruption of any kind loses only the batch that was being
//! encoded. Nothing is synced: after a power failure, a checksum finds the rows that are not whole.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::frame::{Frame, Frames, Head};
use crate::StoreError;
use crate::disk::{Disk, Output};
use crate::shard::{Layout, Row, shard_name};

mod frame;

/// Embeddings of more bytes are written without a copy.
const BUFFER: usize = 1 << 14;

/// The file, open for writing at its end.
pub(super) struct RowFile {
    path: PathBuf,
    /// `None` once it is closed.
    output: Option<BufWriter<Box<dyn Output>>>,
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
        let output = Some(BufWriter::with_capacity(BUFFER, output));
        Self { path, output }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let (head, values) = (Head::of(row), row.outcome.as_ref().ok());
        let values = values.map_or(&[][..], |values| values.bytes);
        let written = serde_json::to_vec(&head)
            .map_err(io::Error::from)
            .and_then(|head| frame::write(self.output()?, &head, values));
        written.map_err(StoreError::io(&self.path))
    }

    /// Marks the end of a batch. From here on its rows survive the process.
    pub(super) fn end_batch(&mut self) -> Result<(), StoreError> {
        let flushed = self.output().and_then(|output| {
            frame::write(output, &[], &[])?;
            output.flush()
        });
        flushed.map_err(StoreError::io(&self.path))
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
