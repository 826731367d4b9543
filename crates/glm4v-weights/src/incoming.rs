use glm4v_shards::Encoding;

/// The received bytes of one tensor.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) encoding: Encoding,
    pub(crate) rows: usize,
    /// Values of one row
    pub(crate) row_len: usize,
    pub(crate) received_bytes: u64,
    /// The first bytes of a block whose last bytes have not arrived
    incomplete_block: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(shape: &[usize], encoding: Encoding) -> Self {
        Self {
            encoding,
            rows: shape[0],
            row_len: shape[1..].iter().product(),
            received_bytes: 0,
            incomplete_block: Vec::new(),
        }
    }

    /// Values of the whole tensor.
    pub(crate) fn len(&self) -> usize {
        self.rows * self.row_len
    }

    /// Bytes of the whole tensor.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.encoding.bytes(self.len() as u64)
    }

    /// Number of values whose bytes have arrived.
    pub(crate) fn position(&self) -> usize {
        let bytes = self.received_bytes as usize - self.incomplete_block.len();
        bytes / self.encoding.block_bytes() * self.encoding.block_len()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.received_bytes == self.total_bytes()
    }

    /// Adds `bytes`, and calls `convert` for the blocks that are now complete.
    pub(crate) fn receive<E>(
        &mut self,
        mut bytes: &[u8],
        mut convert: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.received_bytes += bytes.len() as u64;
        let block = self.encoding.block_bytes();
        if !self.incomplete_block.is_empty() {
            let missing = block - self.incomplete_block.len();
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.incomplete_block.extend_from_slice(first);
            bytes = rest;
            if self.incomplete_block.len() == block {
                convert(&std::mem::take(&mut self.incomplete_block))?;
            }
        }
        let (blocks, rest) = bytes.split_at(bytes.len() / block * block);
        self.incomplete_block.extend_from_slice(rest);
        match blocks.is_empty() {
            true => Ok(()),
            false => convert(blocks),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn blocks_are_complete_wherever_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..16).collect();
        for cut in 1..=16 {
            let mut incoming = Incoming::new(&[2, 2], Encoding::F32);
            let mut found = Vec::new();
            for bytes in bytes.chunks(cut) {
                assert!(!incoming.is_complete());
                assert_eq!(incoming.position(), found.len() / 4);
                let Ok(()) = incoming.receive(bytes, |blocks| {
                    assert!(blocks.len().is_multiple_of(4));
                    found.extend_from_slice(blocks);
                    Ok::<_, Infallible>(())
                });
            }
            assert!(incoming.is_complete());
            assert_eq!(found, bytes);
        }
    }
}
