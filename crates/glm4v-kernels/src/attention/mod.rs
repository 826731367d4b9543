//! Attention without a matrix of scores.
//!
//! The products are transposed: keys are the rows of a tile, and queries are its columns. The scores are then already the panel
//! that the second product reads. The softmax over the keys runs down the columns, a vector of queries at a time.

mod keys;
mod queries;

pub use self::keys::Keys;
use crate::Precision;
use crate::element::Element;
use crate::tile::Kernel;

/// Rows of heads: head `h` of row `r` is `values[r · stride + h · head_dim..][..head_dim]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, X> {
    /// The values from the first row's first head on
    pub values: &'a [X],
    /// Values from one row to the next
    pub stride: usize,
}

impl<'a, X> Heads<'a, X> {
    fn row(self, row: usize, head: usize, head_dim: usize) -> &'a [X] {
        &self.values[row * self.stride + head * head_dim..][..head_dim]
    }
}

/// Keys of a block: whole panels of every kernel. Their scores for 32 queries fit the first-level cache.
const BLOCK: usize = 192;

/// The packed keys and values of one head in a block.
struct HeadBlock<'a> {
    length: usize,
    keys: &'a [u32],
    values: &'a [u32],
}

/// Multi-head attention within each segment, scaled by 1/√head_dim.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Number of heads
    pub heads: usize,
    /// Values of one head
    pub head_dim: usize,
    /// The precision of both products. They are f32 if the processor does not multiply pairs of bf16 fast. The softmax is f32
    pub precision: Precision,
}

impl Attention {
    /// Attention over rows of queries, keys and values side by side, in this order.
    ///
    /// # Shapes
    /// - qkv: `[rows, 3·heads·head_dim]`
    /// - segments: their lengths, which add up to the rows
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn packed<X: Element, Y: Element>(&self, qkv: &[X], segments: &[usize], out: &mut [Y]) {
        let hidden = self.heads * self.head_dim;
        let rows: usize = segments.iter().sum();
        assert_eq!(
            qkv.len(),
            rows * 3 * hidden,
            "qkv of {} values is not [{rows}, 3·{hidden}]",
            qkv.len()
        );
        let third = |index: usize| Heads {
            values: &qkv[(index * hidden).min(qkv.len())..],
            stride: 3 * hidden,
        };
        let mut keys = self.keys(segments);
        keys.pack(0..rows, third(1), third(2));
        keys.attend(0..rows, third(0), out);
    }

    /// Memory for the keys and values of consecutive segments of these lengths.
    #[must_use]
    pub fn keys(&self, segments: &[usize]) -> Keys {
        Keys::new(self.kernel(), *self, segments)
    }

    /// Bytes of [`Attention::keys`].
    #[must_use]
    pub fn packed_bytes(&self, segments: &[usize]) -> u64 {
        Keys::bytes(&self.kernel(), self, segments)
    }

    fn kernel(&self) -> Kernel {
        Kernel::for_values(self.precision)
    }

    /// # Panics
    /// If `heads` does not have `rows` rows.
    fn check<X>(&self, heads: Heads<'_, X>, rows: usize) {
        let (hidden, Heads { values, stride }) = (self.heads * self.head_dim, heads);
        let needed = rows.checked_sub(1).map_or(0, |last| last * stride + hidden);
        let values = values.len();
        assert!(
            values >= needed,
            "{values} values are not {rows} rows of {hidden}, {stride} apart"
        );
    }
}

#[cfg(test)]
mod tests;
