//! Attention without a matrix of scores.
//!
//! Everything is transposed: keys are the rows of a tile and queries its columns. Scores then come out as the panel that
//! the second product reads, and the softmax over keys runs down the columns, a vector of queries at a time.

mod keys;
mod queries;

pub use self::keys::Keys;
use crate::Precision;
use crate::element::Element;
use crate::isa::Isa;
use crate::tile::Kernel;

/// The heads' values in rows: head `h` of row `r` is `values[r · stride + h · head_dim..][..head_dim]`.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, X> {
    /// From the first row's first head on
    pub values: &'a [X],
    /// From one row to the next
    pub stride: usize,
}

impl<'a, X> Heads<'a, X> {
    fn row(self, row: usize, head: usize, head_dim: usize) -> &'a [X] {
        &self.values[row * self.stride + head * head_dim..][..head_dim]
    }
}

/// Multi-head attention, full within a segment and never across, scaled by 1/√head_dim.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// How many heads there are
    pub heads: usize,
    /// Values of one head
    pub head_dim: usize,
    /// What both products are computed in; the softmax is f32. Where the processor does not multiply bf16 fast, both are
    /// f32
    pub precision: Precision,
}

impl Attention {
    /// Attends over rows that hold queries, keys and values side by side, in this order.
    ///
    /// # Shapes
    /// - qkv: `[rows, 3·heads·head_dim]`
    /// - segments: lengths that add up to the rows
    /// - out: `[rows, heads·head_dim]`
    ///
    /// # Panics
    /// If the lengths are not these.
    pub fn packed<X: Element, Y: Element>(&self, qkv: &[X], segments: &[usize], out: &mut [Y]) {
        let hidden = self.heads * self.head_dim;
        let rows: usize = segments.iter().sum();
        assert_eq!(
            qkv.len(),
            rows * 3 * hidden,
            "qkv of {} values is not [{rows}, 3·{hidden}]",
            qkv.len()
        );
        let part = |index: usize| Heads {
            values: &qkv[(index * hidden).min(qkv.len())..],
            stride: 3 * hidden,
        };
        let mut keys = self.keys(segments);
        keys.pack(0..rows, part(1), part(2));
        keys.attend(0..rows, part(0), out);
    }

    /// Room for the keys and values of segments of these lengths, one after another.
    #[must_use]
    pub fn keys(&self, segments: &[usize]) -> Keys {
        Keys::new(self.kernel(), *self, segments)
    }

    /// Bytes that [`Attention::keys`] takes.
    #[must_use]
    pub fn packed_bytes(&self, segments: &[usize]) -> u64 {
        Keys::bytes(&self.kernel(), self, segments)
    }

    fn kernel(&self) -> Kernel {
        Kernel::for_values(self.precision, Isa::detected())
    }

    /// # Panics
    /// If `heads` do not have `rows` rows.
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
