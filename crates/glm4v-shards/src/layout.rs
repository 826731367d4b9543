use std::cmp::Reverse;

use serde::Serialize;
use serde_json::json;

use crate::{Chunk, CopyRange, Header, Limits, Place, Shard, ranges};

/// How to build one safetensors file from ranges of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The JSON of the header, with padding. In the file, its length precedes it.
    pub header: String,
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// The files that contain the ranges. [`Chunk::shard`] is an index into them.
    pub shards: Vec<String>,
    /// The ranges to fetch. They contain every byte after the header.
    pub chunks: Vec<Chunk>,
}

impl Plan {
    /// Plans the file of a tower whose tensors are at `places` in `shards`. [`tower`](crate::tower()) finds them.
    ///
    /// The tensors keep their keys. Wider types come first, so that every value is aligned. Otherwise the tensors keep
    /// their order, so that ranges stay long.
    #[must_use]
    pub fn new(mut places: Vec<Place<'_>>, shards: &[Shard], limits: Limits) -> Self {
        places.sort_by_key(|place| {
            let width = Reverse(place.tensor.dtype.bitsize());
            (width, place.shard, place.tensor.start)
        });
        let header = header(&places);
        let mut position = (Header::LENGTH_BYTES + header.len()) as u64;
        let mut copies = vec![Vec::new(); shards.len()];
        for Place { shard, tensor, .. } in places {
            copies[shard].push(CopyRange {
                source: tensor.start..tensor.start + tensor.bytes,
                target: position,
            });
            position += tensor.bytes;
        }
        let chunks = copies.into_iter().enumerate();
        Self {
            header,
            file_bytes: position,
            shards: shards.iter().map(|shard| shard.file.clone()).collect(),
            chunks: chunks
                .flat_map(|(shard, copies)| ranges::chunks(shard, copies, limits))
                .collect(),
        }
    }

    /// The bytes of the file before the tensors.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let length = self.header.len() as u64;
        [&length.to_le_bytes(), self.header.as_bytes()].concat()
    }

    /// Bytes of the tower's tensors.
    #[must_use]
    pub fn tensor_bytes(&self) -> u64 {
        self.chunks.iter().map(Chunk::tensor_bytes).sum()
    }
}

fn header(places: &[Place<'_>]) -> String {
    let mut entries = vec![(String::from("__metadata__"), json!({"format": "pt"}))];
    let mut position = 0;
    for Place { tensor, .. } in places {
        let end = position + tensor.bytes;
        let entry =
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [position, end]});
        entries.push((tensor.key.clone(), entry));
        position = end;
    }
    let entries = entries
        .iter()
        .map(|(key, entry)| format!("{}:{entry}", json!(key)));
    let mut text = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    // In the format, tensors begin at a multiple of eight bytes.
    let padding = text.len().next_multiple_of(8) - text.len();
    text.extend(std::iter::repeat_n(' ', padding));
    text
}

#[cfg(test)]
mod tests {
    use glm4v_config::VisionConfig;
    use safetensors::{Dtype, SafeTensors};

    use crate::{ShardError, Tensor, tower};

    use super::*;

    const LIMITS: Limits = Limits {
        chunk_bytes: 100,
        gap_bytes: 10,
    };

    fn config() -> VisionConfig {
        VisionConfig {
            depth: 1,
            hidden_size: 4,
            num_heads: 1,
            image_size: 2,
            patch_size: 1,
            temporal_patch_size: 1,
            out_hidden_size: 4,
            intermediate_size: 4,
            ..VisionConfig::default()
        }
    }

    /// Two shards, each with every second tensor. Norms are f32. A tensor of the language model precedes them.
    fn shards() -> Vec<Shard> {
        let mut shards = ["a", "b"].map(|file| Shard {
            file: file.to_owned(),
            header: Header {
                tensors: vec![tensor("lm_head.weight", Dtype::U8, vec![1000], 100)],
            },
        });
        for (number, parameter) in config().parameters().into_iter().enumerate() {
            let tensors = &mut shards[number % 2].header.tensors;
            let start = tensors.last().map_or(100, |last| last.start + last.bytes);
            let dtype = if parameter.key.contains("norm") {
                Dtype::F32
            } else {
                Dtype::BF16
            };
            tensors.push(tensor(
                &format!("model.visual.{}", parameter.key),
                dtype,
                parameter.shape,
                start,
            ));
        }
        shards.into()
    }

    fn tensor(key: &str, dtype: Dtype, shape: Vec<usize>, start: u64) -> Tensor {
        let bytes = (shape.iter().product::<usize>() * dtype.bitsize() / 8) as u64;
        Tensor {
            key: key.to_owned(),
            dtype,
            shape,
            start,
            bytes,
        }
    }

    fn plan(shards: &[Shard]) -> Plan {
        Plan::new(tower(&config(), shards, "index").unwrap(), shards, LIMITS)
    }

    fn refused(shards: &[Shard]) -> ShardError {
        tower(&config(), shards, "index").unwrap_err()
    }

    #[test]
    fn every_byte_of_the_file_is_copied_once() {
        let shards = shards();
        let plan = plan(&shards);
        let mut file = vec![None; plan.file_bytes as usize];
        for copy in plan.chunks.iter().flat_map(|chunk| &chunk.copies) {
            for (offset, _) in copy.source.clone().enumerate() {
                assert!(file[copy.target as usize + offset].replace(()).is_none());
            }
        }
        assert!(file[plan.head().len()..].iter().all(Option::is_some));
        assert!(file[..plan.head().len()].iter().all(Option::is_none));
        assert_eq!(plan.tensor_bytes() as usize, file.len() - plan.head().len());
    }

    #[test]
    fn safetensors_reads_the_header() {
        let plan = plan(&shards());
        let mut file = plan.head();
        assert_eq!(file.len() % 8, 0);
        file.resize(plan.file_bytes as usize, 0);
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.len(), config().parameters().len());
        let norm = read.tensor("model.visual.post_layernorm.weight").unwrap();
        assert_eq!((norm.dtype(), norm.shape()), (Dtype::F32, &[4][..]));
        let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    }

    #[test]
    fn a_tower_that_differs_from_the_configuration_is_refused() {
        let mut missing = shards();
        let gone = missing[1].header.tensors.pop().unwrap();
        assert!(
            matches!(refused(&missing), ShardError::Missing { key, count: 1, .. } if key == gone.key)
        );

        let mut shape = shards();
        shape[0].header.tensors[1].shape.push(1);
        assert!(matches!(refused(&shape), ShardError::Shape { file, .. } if file == "a"));

        let mut dtype = shards();
        dtype[1].header.tensors[1].dtype = Dtype::F8_E4M3;
        assert!(matches!(refused(&dtype), ShardError::Dtype { file, .. } if file == "b"));

        let mut left_over = shards();
        let extra = tensor("model.visual.blocks.1.norm1.weight", Dtype::F32, vec![4], 0);
        left_over[0].header.tensors.push(extra.clone());
        assert!(
            matches!(refused(&left_over), ShardError::LeftOver { key, .. } if key == extra.key)
        );

        let mut twice = shards();
        let copy = twice[0].header.tensors[1].clone();
        twice[1].header.tensors.push(copy);
        assert!(matches!(refused(&twice), ShardError::Header { .. }));

        let none = shards().into_iter().map(|mut shard| {
            shard.header.tensors.truncate(1);
            shard
        });
        assert!(matches!(
            refused(&none.collect::<Vec<_>>()),
            ShardError::NoVisionTower { .. }
        ));
    }
}
