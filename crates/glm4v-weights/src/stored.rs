use glm4v_config::Parameter;
use glm4v_shards::Encoding;

use crate::file::WeightsFile;
use crate::{Loader, WeightsError, convert, scratch};

/// Values that are read at a time where they are converted in memory. It is a multiple of every [`Encoding::block_len`].
const VALUES_AT_ONCE: usize = 1 << 20;

/// A parameter of the tower, and where its values are stored.
#[derive(Debug)]
pub(crate) struct StoredParameter<'a> {
    /// The key and the shape.
    pub(crate) parameter: Parameter,
    /// One, or one for each frame: GGUF files split the kernel of the patch embedding.
    pub(crate) extents: Vec<Extent<'a>>,
}

/// The bytes of one tensor in a file.
#[derive(Debug)]
pub(crate) struct Extent<'a> {
    pub(crate) file: &'a WeightsFile,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    pub(crate) encoding: Encoding,
}

impl StoredParameter<'_> {
    /// Passes all bytes to `loader`.
    pub(crate) fn load(
        &self,
        loader: &mut Loader,
        scratch: &mut Vec<f32>,
    ) -> Result<(), WeightsError> {
        let key = &self.parameter.key;
        let [extent] = &self.extents[..] else {
            let values = self.joined_frames()?;
            let bytes = convert::encode(&values, Encoding::F32);
            return loader.write(key, Encoding::F32, &bytes);
        };
        let slice = loader.slice_bytes(extent.encoding, extent.bytes);
        for start in (0..extent.bytes).step_by(slice as usize) {
            let len = slice.min(extent.bytes - start) as usize;
            let bytes = scratch::bytes(scratch, len);
            extent.file.read_at(bytes, extent.start + start)?;
            loader.write(key, extent.encoding, bytes)?;
        }
        Ok(())
    }

    /// Passes all values to `receive`, slice by slice.
    pub(crate) fn values(
        &self,
        mut receive: impl FnMut(&[f32]) -> Result<(), WeightsError>,
    ) -> Result<(), WeightsError> {
        match &self.extents[..] {
            [extent] => extent.values(receive),
            _ => receive(&self.joined_frames()?),
        }
    }

    /// All values.
    pub(crate) fn all_values(&self) -> Result<Vec<f32>, WeightsError> {
        let mut all = Vec::new();
        self.values(|values| {
            all.extend_from_slice(values);
            Ok(())
        })?;
        Ok(all)
    }

    /// The values of a kernel [out, in, frames, height, width] whose frames are stored apart.
    fn joined_frames(&self) -> Result<Vec<f32>, WeightsError> {
        let mut frames = Vec::new();
        for extent in &self.extents {
            let mut all = Vec::new();
            extent.values(|values| {
                all.extend_from_slice(values);
                Ok(())
            })?;
            frames.push(all);
        }
        Ok(join_frames(&frames, frame_len(&self.parameter)))
    }
}

impl Extent<'_> {
    fn values(
        &self,
        mut receive: impl FnMut(&[f32]) -> Result<(), WeightsError>,
    ) -> Result<(), WeightsError> {
        let (mut bytes, mut values) = (Vec::new(), vec![0.0; VALUES_AT_ONCE]);
        let slice = self.encoding.bytes(VALUES_AT_ONCE as u64);
        for start in (0..self.bytes).step_by(slice as usize) {
            bytes.resize(slice.min(self.bytes - start) as usize, 0);
            self.file.read_at(&mut bytes, self.start + start)?;
            let count = convert::write(&mut values, &bytes, self.encoding);
            receive(&values[..count])?;
        }
        Ok(())
    }
}

/// Values of one frame of a kernel: height · width.
pub(crate) fn frame_len(kernel: &Parameter) -> usize {
    kernel.shape[3..].iter().product()
}

/// [rows, frames, len] from frames of [rows, len].
fn join_frames(frames: &[Vec<f32>], len: usize) -> Vec<f32> {
    let rows = frames[0].len() / len;
    let row = |row: usize| frames.iter().map(move |frame| &frame[row * len..][..len]);
    (0..rows).flat_map(row).flatten().copied().collect()
}

/// Frame `frame` of the values [rows, frames, len].
pub(crate) fn frame(values: &[f32], frame: usize, frames: usize, len: usize) -> Vec<f32> {
    let chunks = values.chunks_exact(len).skip(frame).step_by(frames);
    chunks.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_and_joined() {
        // Two rows, three frames of two values
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let frames: Vec<_> = (0..3).map(|index| frame(&values, index, 3, 2)).collect();
        assert_eq!(frames[1], [2.0, 3.0, 8.0, 9.0]);
        assert_eq!(join_frames(&frames, 2), values);
    }
}
