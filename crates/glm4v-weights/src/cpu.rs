use std::collections::HashMap;
use std::convert::Infallible;

use bytemuck::Pod;
use glm4v_model::{CpuBuilder, StoredValues};
use glm4v_shards::Encoding;
use half::bf16;

use crate::incoming::Incoming;
use crate::{convert, scratch};

/// Packs tensors for the CPU's kernels. Each is packed when its last byte has arrived.
#[derive(Debug)]
pub(crate) struct CpuTensors {
    pub(crate) builder: CpuBuilder,
    /// Buffers of at least the length of their incomplete tensors
    values: HashMap<String, Vec<f32>>,
    /// A buffer for the next tensor
    scratch: Vec<f32>,
}

impl CpuTensors {
    pub(crate) fn new(builder: CpuBuilder) -> Self {
        Self {
            builder,
            values: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, key: &str, incoming: &mut Incoming, bytes: &[u8]) {
        if bytes.len() as u64 == incoming.total_bytes()
            && let Some(values) = stored_values(bytes, incoming.encoding)
        {
            incoming.received_bytes = incoming.total_bytes();
            return self.builder.add(key, values);
        }
        let values = self.values.entry(key.to_owned()).or_insert_with(|| {
            scratch::prepare(&mut self.scratch, incoming.len());
            std::mem::take(&mut self.scratch)
        });
        let (encoding, mut position) = (incoming.encoding, incoming.position());
        let Ok(()) = incoming.receive(bytes, |blocks| {
            position += convert::write(&mut values[position..], blocks, encoding);
            Ok::<_, Infallible>(())
        });
        if incoming.is_complete()
            && let Some(values) = self.values.remove(key)
        {
            let stored = StoredValues::F32(&values[..incoming.len()]);
            self.builder.add(key, stored);
            self.scratch = values;
        }
    }
}

/// The values of a whole tensor without a copy, if the packing reads this encoding.
fn stored_values(bytes: &[u8], encoding: Encoding) -> Option<StoredValues<'_>> {
    match encoding {
        Encoding::F32 => cast::<f32>(bytes).map(StoredValues::F32),
        Encoding::Bf16 => cast::<bf16>(bytes).map(StoredValues::Bf16),
        Encoding::F16 | Encoding::Q8_0 => None,
    }
}

/// The values of `bytes`, if they are aligned.
fn cast<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    match cfg!(target_endian = "little") {
        true => bytemuck::try_cast_slice(bytes).ok(),
        false => None,
    }
}
