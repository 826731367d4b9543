//! Sums and maxima of rows, each over the units that share the row.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::features::Plane;
use burn_cubecl::cubecl::prelude::*;

/// Planes of a cube, at most. Each has a row.
const MAX_PLANES: u32 = 8;

/// Which units share a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sharing {
    /// A power of two.
    pub(super) units: u32,
    /// The units are a plane, which adds its values without memory. Otherwise they are a whole cube.
    pub(super) plane: bool,
    /// Rows of a cube.
    rows: u32,
}

impl Sharing {
    /// For rows of `width` values.
    pub(super) fn new(client: &cubecl::client::Client, width: usize) -> Self {
        let hardware = &client.properties().hardware;
        let size = hardware.plane_size_min;
        let plane = client.features().plane.contains(Plane::Ops)
            && size == hardware.plane_size_max
            && size.is_power_of_two();
        let most = hardware.max_units_per_cube;
        if plane {
            let rows = (most / size).clamp(1, MAX_PLANES);
            return Self {
                units: size,
                plane,
                rows,
            };
        }
        let units = (width / 4).next_power_of_two().clamp(32, 256) as u32;
        let units = units.min(1 << most.ilog2());
        Self {
            units,
            plane,
            rows: 1,
        }
    }

    /// The cubes for so many rows. The last of them may have rows beyond.
    pub(super) fn cubes(self, rows: usize) -> (CubeCount, CubeDim) {
        let cubes = rows.div_ceil(self.rows as usize);
        // WebGPU allows 65,535 in a dimension.
        let columns = cubes.div_ceil(65_535).max(1);
        let count = CubeCount::Static(cubes.div_ceil(columns) as u32, columns as u32, 1);
        (count, CubeDim::new_2d(self.units, self.rows))
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

/// What a row of values is reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reduction {
    Sum,
    Largest,
}

/// The values of the units that share a row, reduced to one value in each of them.
#[cube]
pub(super) fn over_row(
    value: f32,
    #[comptime] reduction: Reduction,
    #[comptime] sharing: Sharing,
) -> f32 {
    if comptime!(sharing.plane) {
        match comptime!(reduction) {
            Reduction::Sum => plane_sum(value),
            Reduction::Largest => plane_max(value),
        }
    } else {
        let mut values = Shared::<[f32]>::new_slice(comptime!(sharing.units as usize));
        values[UNIT_POS as usize] = value;
        sync_cube();
        #[unroll]
        for level in 0..comptime!(sharing.units.ilog2()) {
            let step = comptime!(sharing.units >> (level + 1));
            if UNIT_POS < step {
                let other = values[(UNIT_POS + step) as usize];
                let own = values[UNIT_POS as usize];
                values[UNIT_POS as usize] = reduced(own, other, reduction);
            }
            sync_cube();
        }
        values[0]
    }
}

/// Two values reduced to one.
#[cube]
fn reduced(x: f32, y: f32, #[comptime] reduction: Reduction) -> f32 {
    match comptime!(reduction) {
        Reduction::Sum => x + y,
        Reduction::Largest => max(x, y),
    }
}

/// The values of a vector, reduced to one.
#[cube]
pub(super) fn over_vector<N: Size>(
    values: Vector<f32, N>,
    #[comptime] reduction: Reduction,
) -> f32 {
    let mut value = values.extract(0usize);
    #[unroll]
    for index in 1..N::value() {
        value = reduced(value, values.extract(index), reduction);
    }
    value
}
