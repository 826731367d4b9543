//! Packs panels as a kernel reads them.

use super::{AMX_ROWS, COLUMNS, Kernel, Left, VECTOR_ROWS};
use crate::bytes::{BytePanel, Operand};
use crate::element::Element;
use crate::format::{Bytes, Format};
use crate::pack::{ColumnPanel, Columns, Order, RowPanel};

impl Kernel {
    /// Packs a left panel. `row` returns the row of a lane, or an empty slice. All other rows have one length, and integers have as
    /// many factors.
    pub(crate) fn pack_rows<'a, X: Element>(
        &self,
        row: impl Fn(usize) -> &'a [X],
        factors: &[f32],
        panel: &mut [u32],
    ) {
        match self.left {
            Left::Vectors(format) => self.isa.run(RowPanel::<X, VECTOR_ROWS> {
                rows: std::array::from_fn(row),
                format,
                order: Order::Lanes,
                panel,
            }),
            Left::Quads => self.isa.run(RowPanel::<X, VECTOR_ROWS> {
                rows: std::array::from_fn(row),
                format: Format::Pairs,
                order: Order::Quads,
                panel,
            }),
            Left::Tiles => self.isa.run(RowPanel::<X, AMX_ROWS> {
                rows: std::array::from_fn(row),
                format: Format::Pairs,
                order: Order::Steps,
                panel,
            }),
            Left::Bytes(bytes) => self.isa.run(BytePanel::<X, VECTOR_ROWS> {
                rows: std::array::from_fn(row),
                factors,
                bytes,
                operand: Operand::Rows,
                panel,
            }),
            Left::ByteTiles => self.isa.run(BytePanel::<X, AMX_ROWS> {
                rows: std::array::from_fn(row),
                factors,
                bytes: Bytes::Steps,
                operand: Operand::Rows,
                panel,
            }),
        }
    }

    /// Packs a right panel of weights. `row` returns the row of a lane, or an empty slice. All other rows have one length, and
    /// integers have as many factors.
    pub(crate) fn pack_weights<'a, X: Element>(
        &self,
        row: impl Fn(usize) -> &'a [X],
        factors: &[f32],
        panel: &mut [u32],
    ) {
        let rows = std::array::from_fn(row);
        match self.right {
            Format::F32 | Format::Pairs => self.isa.run(RowPanel::<X, COLUMNS> {
                rows,
                format: self.right,
                order: self.right_order(),
                panel,
            }),
            Format::Bytes(bytes) => self.isa.run(BytePanel::<X, COLUMNS> {
                rows,
                factors,
                bytes,
                operand: Operand::Weights,
                panel,
            }),
        }
    }

    /// Packs a left panel whose lanes are columns. There may be fewer columns than lanes.
    pub(crate) fn pack_columns<X: Element>(&self, columns: Columns<'_, X>, panel: &mut [u32]) {
        match self.left {
            Left::Vectors(format) => self.isa.run(ColumnPanel::<X, VECTOR_ROWS> {
                columns,
                format,
                order: Order::Lanes,
                panel,
            }),
            Left::Quads => self.isa.run(ColumnPanel::<X, VECTOR_ROWS> {
                columns,
                format: Format::Pairs,
                order: Order::Quads,
                panel,
            }),
            Left::Tiles => self.isa.run(ColumnPanel::<X, AMX_ROWS> {
                columns,
                format: Format::Pairs,
                order: Order::Steps,
                panel,
            }),
            Left::Bytes(_) | Left::ByteTiles => unreachable!("integers are packed by rows"),
        }
    }
}
