//! Output files.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use glm4v::pipeline::InputInfo;
use glm4v::preprocess::SampledFrames;
use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;
use safetensors::{Dtype, View};
use serde_json::{Value, json};

use crate::atomic;
use crate::values::{OutputFile, OutputFormat};

/// The content of an output file: a tensor with the rows of all inputs, and what describes it.
pub(crate) struct Output<'a> {
    pub(crate) name: &'static str,
    /// One row for each token or patch, in the order of the inputs.
    pub(crate) values: ArrayView2<'a, f32>,
    pub(crate) inputs: &'a [InputInfo],
    /// Further tensors, for .safetensors only.
    pub(crate) extra: Vec<(String, Tensor<'a>)>,
}

/// A tensor of a safetensors file.
pub(crate) struct Tensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// A tensor of f32 values in row-major order.
    pub(crate) fn f32(shape: &[usize], values: &'a [f32]) -> Self {
        let bytes = match cfg!(target_endian = "little") {
            true => Cow::Borrowed(bytemuck::cast_slice(values)),
            false => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        };
        Self::new(Dtype::F32, shape, bytes)
    }

    fn i64(shape: &[usize], values: Vec<usize>) -> Self {
        let bytes = values
            .iter()
            .flat_map(|&value| (value as i64).to_le_bytes());
        Self::new(Dtype::I64, shape, bytes.collect())
    }

    fn f64(shape: &[usize], values: Vec<f64>) -> Self {
        let bytes = values.into_iter().flat_map(f64::to_le_bytes);
        Self::new(Dtype::F64, shape, bytes.collect())
    }

    fn new(dtype: Dtype, shape: &[usize], bytes: Cow<'a, [u8]>) -> Self {
        Self {
            dtype,
            shape: shape.to_vec(),
            bytes,
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

impl Output<'_> {
    /// Writes `file`, which appears only when it is complete.
    pub(crate) fn write(&self, file: &OutputFile) -> Result<()> {
        let path = &file.path;
        match file.format {
            OutputFormat::Safetensors => {
                atomic::write_temporary(path, |file| self.safetensors(file.path()))
            }
            OutputFormat::Npy => atomic::write(path, |writer| Ok(self.values.write_npy(writer)?)),
            OutputFormat::Json => atomic::write(path, |writer| self.json(writer)),
        }
    }

    /// Writes one tensor after another, so that a large one is not copied.
    fn safetensors(&self, path: &Path) -> Result<()> {
        let values = self.values.as_slice().context("the rows are contiguous")?;
        let values = Tensor::f32(self.values.shape(), values);
        let grids = Tensor::i64(&[self.inputs.len(), 3], self.grids().concat());
        let videos = self.video_tensors();
        let mut tensors = vec![(self.name, &values), ("grid_thw", &grids)];
        tensors.extend(videos.iter().map(|(name, tensor)| (*name, tensor)));
        tensors.extend(self.extra.iter().map(|(name, tensor)| (&name[..], tensor)));
        Ok(safetensors::serialize_to_file(tensors, None, path)?)
    }

    fn video_tensors(&self) -> Vec<(&'static str, Tensor<'static>)> {
        let (mut videos, mut indices, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
        for (input, frames) in self.videos() {
            videos.extend([input, frames.indices.len()]);
            indices.extend_from_slice(&frames.indices);
            seconds.extend_from_slice(&frames.timestamps);
        }
        if videos.is_empty() {
            return Vec::new();
        }
        vec![
            ("videos", Tensor::i64(&[videos.len() / 2, 2], videos)),
            ("frames_indices", Tensor::i64(&[indices.len()], indices)),
            ("timestamps", Tensor::f64(&[seconds.len()], seconds)),
        ]
    }

    fn grids(&self) -> Vec<[usize; 3]> {
        self.inputs.iter().map(|input| input.grid.into()).collect()
    }

    /// The videos among the inputs, each with its index.
    fn videos(&self) -> impl Iterator<Item = (usize, &SampledFrames)> {
        let inputs = self.inputs.iter().enumerate();
        inputs.filter_map(|(index, input)| Some((index, input.frames.as_ref()?)))
    }

    /// Writes row after row, so that no tree of JSON values is built. A value that is not finite becomes null.
    fn json(&self, writer: &mut impl Write) -> Result<()> {
        let video = |(input, frames): (usize, &SampledFrames)| {
            json!({
                "input": input,
                "frames_indices": frames.indices,
                "timestamps": frames.timestamps,
            })
        };
        let (shape, grids) = (json!(self.values.shape()), json!(self.grids()));
        let videos: Value = self.videos().map(video).collect();
        write!(
            writer,
            "{{\"shape\": {shape},\n\"grid_thw\": {grids},\n\"videos\": {videos},\n\"{}\": [",
            self.name
        )?;
        for (index, row) in self.values.rows().into_iter().enumerate() {
            writer.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *writer, &row.to_vec())?;
        }
        Ok(writeln!(writer, "\n]}}")?)
    }
}
