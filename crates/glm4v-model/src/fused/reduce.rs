//! Sums and maxima of rows, each over the units that share the row.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::features::Plane;
use burn_cubecl::cubecl::prelude::*;

/// Rows that a cube of several planes handles.
const PLANES: u32 = 8;

/// Which units share a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sharing {
    /// A power of two.
    pub(super) units: u32,
    /// The units are a plane, which adds its values without memory. Otherwise they are a whole cube.
    pub(super) plane: bool,
}

impl Sharing {
    /// For rows of `width` values.
    pub(super) fn new(client: &cubecl::client::Client, width: usize) -> Self {
        let hardware = &client.properties().hardware;
        let size = hardware.plane_size_min;
        let plane = client.features().plane.contains(Plane::Ops)
            && size == hardware.plane_size_max
            && size.is_power_of_two()
            && size >= 16;
        let units = match plane {
            true => size,
            false => (width / 4).next_power_of_two().clamp(32, 256) as u32,
        };
        Self { units, plane }
    }

    /// The cubes for so many rows. The last of them may have rows beyond.
    pub(super) fn cubes(self, rows: usize) -> (CubeCount, CubeDim) {
        let planes = if self.plane { PLANES } else { 1 };
        let cubes = rows.div_ceil(planes as usize);
        // WebGPU allows 65,535 in a dimension.
        let columns = cubes.div_ceil(65_535).max(1);
        let count = CubeCount::Static(cubes.div_ceil(columns) as u32, columns as u32, 1);
        (count, CubeDim::new_2d(self.units, planes))
    }
}

/// The row of this unit. Units beyond the rows repeat the last row, because all must reach the same barriers.
#[cube]
pub(super) fn row(rows: usize) -> usize {
    min(
        CUBE_POS * CUBE_DIM_Y as usize + UNIT_POS_Y as usize,
        rows - 1,
    )
}

/// The sum of the values of the units that share a row, in each of them.
#[cube]
pub(super) fn sum(value: f32, #[comptime] sharing: Sharing) -> f32 {
    if comptime!(sharing.plane) {
        plane_sum(value)
    } else {
        let mut values = Shared::<[f32]>::new_slice(comptime!(sharing.units as usize));
        values[UNIT_POS as usize] = value;
        sync_cube();
        #[unroll]
        for level in 0..comptime!(sharing.units.ilog2()) {
            let step = comptime!(sharing.units >> (level + 1));
            if UNIT_POS < step {
                let other = values[(UNIT_POS + step) as usize];
                values[UNIT_POS as usize] += other;
            }
            sync_cube();
        }
        values[0]
    }
}

/// The largest of the values of the units that share a row, in each of them.
#[cube]
pub(super) fn largest(value: f32, #[comptime] sharing: Sharing) -> f32 {
    if comptime!(sharing.plane) {
        plane_max(value)
    } else {
        let mut values = Shared::<[f32]>::new_slice(comptime!(sharing.units as usize));
        values[UNIT_POS as usize] = value;
        sync_cube();
        #[unroll]
        for level in 0..comptime!(sharing.units.ilog2()) {
            let step = comptime!(sharing.units >> (level + 1));
            if UNIT_POS < step {
                let other = values[(UNIT_POS + step) as usize];
                values[UNIT_POS as usize] = max(values[UNIT_POS as usize], other);
            }
            sync_cube();
        }
        values[0]
    }
}
