//! Tensors to files.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use glm4v::Frames;
use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;
use safetensors::{Dtype, View};
use serde_json::{Value, json};

use crate::atomic;
use crate::inputs::About;
use crate::values::{Format, OutputFile};

/// What a command found: rows of numbers that belong to inputs, and what goes with them.
pub(crate) struct Found<'a> {
    /// What the numbers are, the tensor's name in a file.
    pub(crate) name: &'static str,
    /// One row a token or patch.
    pub(crate) values: ArrayView2<'a, f32>,
    /// The inputs that the rows belong to, one after another.
    pub(crate) inputs: &'a [About],
    /// Further tensors, of .safetensors only.
    pub(crate) more: Vec<(String, Tensor<'a>)>,
}

/// A tensor of a safetensors file.
pub(crate) struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// Values of f32, in row-major order.
    pub(crate) fn f32(shape: &[usize], values: &'a [f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            bytes: match cfg!(target_endian = "little") {
                true => bytemuck::cast_slice(values).into(),
                false => values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            },
        }
    }

    fn i64(shape: &[usize], values: impl Iterator<Item = usize>) -> Self {
        Self {
            dtype: Dtype::I64,
            shape: shape.to_vec(),
            bytes: values
                .flat_map(|value| (value as i64).to_le_bytes())
                .collect(),
        }
    }

    fn f64(shape: &[usize], values: impl Iterator<Item = f64>) -> Self {
        Self {
            dtype: Dtype::F64,
            shape: shape.to_vec(),
            bytes: values.flat_map(f64::to_le_bytes).collect(),
        }
    }
}

impl View for &Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Found<'_> {
    /// Writes `file`, whole or not at all.
    pub(crate) fn write(&self, file: &OutputFile) -> Result<()> {
        match file.format {
            Format::Safetensors => atomic::write_path(&file.path, |path| self.safetensors(path)),
            Format::Npy => atomic::write(&file.path, |writer| Ok(self.values.write_npy(writer)?)),
            Format::Json => atomic::write(&file.path, |writer| self.json(writer)),
        }
    }

    /// Tensor after tensor, so that a large one is not copied.
    fn safetensors(&self, path: &Path) -> Result<()> {
        let values = self.values.as_slice().context("rows are contiguous")?;
        let values = Tensor::f32(self.values.shape(), values);
        let grids = self
            .inputs
            .iter()
            .flat_map(|about| <[usize; 3]>::from(about.grid));
        let grids = Tensor::i64(&[self.inputs.len(), 3], grids);
        let clips = self.clip_tensors();
        let mut tensors = vec![(self.name, &values), ("grid_thw", &grids)];
        tensors.extend(clips.iter().map(|(name, tensor)| (*name, tensor)));
        tensors.extend(self.more.iter().map(|(name, tensor)| (&name[..], tensor)));
        Ok(safetensors::serialize_to_file(tensors, None, path)?)
    }

    fn clip_tensors(&self) -> Vec<(&'static str, Tensor<'static>)> {
        let clips: Vec<(usize, &Frames)> = self.clips().collect();
        if clips.is_empty() {
            return Vec::new();
        }
        let frames = || clips.iter().map(|(_, frames)| *frames);
        let taken = clips
            .iter()
            .flat_map(|(item, frames)| [*item, frames.indices.len()]);
        let indices: Vec<usize> = frames().flat_map(|frames| frames.indices.clone()).collect();
        let seconds: Vec<f64> = frames()
            .flat_map(|frames| frames.timestamps.clone())
            .collect();
        vec![
            ("clips", Tensor::i64(&[clips.len(), 2], taken)),
            (
                "frames_indices",
                Tensor::i64(&[indices.len()], indices.into_iter()),
            ),
            (
                "timestamps",
                Tensor::f64(&[seconds.len()], seconds.into_iter()),
            ),
        ]
    }

    fn clips(&self) -> impl Iterator<Item = (usize, &Frames)> {
        let inputs = self.inputs.iter().enumerate();
        inputs.filter_map(|(item, about)| Some((item, about.frames.as_ref()?)))
    }

    /// Row by row, so that a large file needs no tree of values; a value that is not finite becomes null.
    fn json(&self, writer: &mut impl Write) -> Result<()> {
        let grids: Vec<[usize; 3]> = self.inputs.iter().map(|about| about.grid.into()).collect();
        let clip = |(item, frames): (usize, &Frames)| {
            json!({
                "input": item,
                "frames_indices": frames.indices,
                "timestamps": frames.timestamps,
            })
        };
        write!(writer, "{{\"shape\": ")?;
        serde_json::to_writer(&mut *writer, self.values.shape())?;
        write!(writer, ",\n\"grid_thw\": ")?;
        serde_json::to_writer(&mut *writer, &grids)?;
        write!(writer, ",\n\"clips\": ")?;
        serde_json::to_writer(
            &mut *writer,
            &self.clips().map(clip).collect::<Vec<Value>>(),
        )?;
        write!(writer, ",\n\"{}\": [", self.name)?;
        for (index, row) in self.values.rows().into_iter().enumerate() {
            writer.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *writer, &row.to_vec())?;
        }
        Ok(writeln!(writer, "\n]}}")?)
    }
}
