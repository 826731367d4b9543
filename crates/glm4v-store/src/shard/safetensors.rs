//! A shard as a safetensors file, and its index in JSON lines.
//!
//! The head of a safetensors file lists every tensor, so values are collected in a temporary file of their own first.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::{Layout, Row, ShardFile};
use crate::StoreError;
use crate::disk::Disk;
use crate::new_file::{NewFile, temporary};
use crate::tensor_file::{TensorEntry, head};

pub(crate) struct Shard {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    layout: Layout,
    /// Never published.
    values: NewFile,
    tensors: Vec<Tensor>,
    index: NewFile,
}

struct Tensor {
    name: String,
    rows: usize,
    bytes: usize,
}

/// A line of the index.
#[derive(Serialize)]
struct Line<'a> {
    input: usize,
    id: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Encoded {
        tensor: &'a str,
        grid_thw: [usize; 3],
        num_tokens: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        video: Option<Video<'a>>,
    },
    Failed {
        error: &'a str,
    },
}

#[derive(Serialize)]
struct Video<'a> {
    frame_indices: &'a [usize],
    timestamps: &'a [f64],
    source_fps: Option<f64>,
    source_seconds: Option<f64>,
    source_frames: Option<usize>,
}

impl Shard {
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        path: &Path,
        layout: &Layout,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            disk: Arc::clone(disk),
            path: path.to_owned(),
            layout: layout.clone(),
            values: NewFile::create(disk, &path.with_extension("values"))?,
            tensors: Vec::new(),
            index: NewFile::create(disk, &path.with_extension("jsonl"))?,
        })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let tensor = row.input.to_string();
        let line = Line {
            input: row.input,
            id: row.id,
            path: row.path,
            path_base64: row.path_bytes.map(|bytes| STANDARD.encode(bytes)),
            sha256: row.sha256,
            outcome: outcome(row, &tensor),
        };
        let written = serde_json::to_writer(&mut self.index, &line).map_err(io::Error::from);
        written
            .and_then(|()| self.index.write_all(b"\n"))
            .map_err(StoreError::io(self.index.path()))?;
        if let Ok(values) = &row.outcome {
            self.values
                .write_all(values.bytes)
                .map_err(StoreError::io(&self.path))?;
            self.tensors.push(Tensor {
                name: tensor,
                rows: values.bytes.len() / (self.layout.width * self.layout.dtype.size()),
                bytes: values.bytes.len(),
            });
        }
        Ok(())
    }

    /// Publishes the shard first and its index second. The journal, which comes last, makes both count.
    pub(super) fn finish(mut self) -> Result<(ShardFile, ShardFile), StoreError> {
        let at_shard = || StoreError::io(&self.path);
        let mut file = NewFile::create(&self.disk, &self.path)?;
        file.write_all(&self.head()).map_err(at_shard())?;
        self.values.flush().map_err(at_shard())?;
        let values = temporary(self.values.path());
        let mut values = File::open(&values).map_err(StoreError::io(&values))?;
        io::copy(&mut values, &mut file).map_err(at_shard())?;
        let shard = file.publish()?;
        let index = self.index.publish()?;
        self.values.discard()?;
        Ok((
            ShardFile::new(&self.path, shard),
            ShardFile::new(self.index.path(), index),
        ))
    }

    fn head(&self) -> Vec<u8> {
        let entries = self.tensors.iter().map(|tensor| TensorEntry {
            name: &tensor.name,
            dtype: self.layout.dtype.safetensors_name(),
            shape: [tensor.rows, self.layout.width],
            bytes: tensor.bytes,
        });
        let entries: Vec<TensorEntry<'_>> = entries.collect();
        head(&[("glm4v", &self.layout.manifest)], &entries)
    }
}

fn outcome<'a>(row: &'a Row<'_>, tensor: &'a str) -> Outcome<'a> {
    match &row.outcome {
        Ok(values) => Outcome::Encoded {
            tensor,
            grid_thw: values.grid.into(),
            num_tokens: values.tokens,
            video: values.video.map(|video| Video {
                frame_indices: video.indices,
                timestamps: video.timestamps,
                source_fps: video.fps,
                source_seconds: video.duration,
                source_frames: video.total_frames,
            }),
        },
        Err(error) => Outcome::Failed { error },
    }
}
