//! Tensors to files.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Result;
use glm4v::GridThw;
use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::atomic;
use crate::values::{Format, OutputFile};

/// Rows of numbers that belong to pictures.
pub(crate) struct Rows<'a> {
    /// What the numbers are, the tensor's name in a file.
    pub(crate) name: &'static str,
    /// One row a token or patch.
    pub(crate) values: ArrayView2<'a, f32>,
    /// The grids of the pictures.
    pub(crate) grids: &'a [GridThw],
}

impl Rows<'_> {
    /// Writes `file`, whole or not at all.
    pub(crate) fn write(&self, file: &OutputFile) -> Result<()> {
        atomic::write(&file.path, |writer| match file.format {
            Format::Safetensors => self.safetensors(writer),
            Format::Npy => Ok(self.values.write_npy(writer)?),
            Format::Json => self.json(writer),
        })
    }

    fn safetensors(&self, writer: &mut BufWriter<&File>) -> Result<()> {
        let values: Vec<u8> = self
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let grids: Vec<u8> = grid_numbers(self.grids)
            .flat_map(|number| (number as i64).to_le_bytes())
            .collect();
        let tensors = [
            (
                self.name,
                TensorView::new(Dtype::F32, self.values.shape().to_vec(), &values)?,
            ),
            (
                "grid_thw",
                TensorView::new(Dtype::I64, vec![self.grids.len(), 3], &grids)?,
            ),
        ];
        Ok(writer.write_all(&safetensors::serialize(tensors, None)?)?)
    }

    /// Row by row, so that a large file needs no tree of values; a value that is not finite becomes null.
    fn json(&self, writer: &mut BufWriter<&File>) -> Result<()> {
        let grids: Vec<[usize; 3]> = self.grids.iter().map(|&grid| grid.into()).collect();
        write!(writer, "{{\"shape\": ")?;
        serde_json::to_writer(&mut *writer, self.values.shape())?;
        write!(writer, ",\n\"grid_thw\": ")?;
        serde_json::to_writer(&mut *writer, &grids)?;
        write!(writer, ",\n\"{}\": [", self.name)?;
        for (index, row) in self.values.rows().into_iter().enumerate() {
            writer.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            serde_json::to_writer(&mut *writer, &row.to_vec())?;
        }
        Ok(writeln!(writer, "\n]}}")?)
    }
}

fn grid_numbers(grids: &[GridThw]) -> impl Iterator<Item = usize> + '_ {
    grids.iter().flat_map(|&grid| <[usize; 3]>::from(grid))
}
