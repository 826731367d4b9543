//! Sums and maxima over the units of a cube.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The units that share a row of `width` values: a power of two from 32 to 256.
pub(super) fn units(width: usize) -> u32 {
    (width / 4).next_power_of_two().clamp(32, 256) as u32
}

/// The sum of all units' values, in each unit.
#[cube]
pub(super) fn sum(value: f32, #[comptime] units: u32) -> f32 {
    let mut values = Shared::<[f32]>::new_slice(comptime!(units as usize));
    values[UNIT_POS as usize] = value;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(units.ilog2()) {
        let step = comptime!(units >> (level + 1));
        if UNIT_POS < step {
            let other = values[(UNIT_POS + step) as usize];
            values[UNIT_POS as usize] += other;
        }
        sync_cube();
    }
    values[0]
}

/// The largest of all units' values, in each unit.
#[cube]
pub(super) fn largest(value: f32, #[comptime] units: u32) -> f32 {
    let mut values = Shared::<[f32]>::new_slice(comptime!(units as usize));
    values[UNIT_POS as usize] = value;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(units.ilog2()) {
        let step = comptime!(units >> (level + 1));
        if UNIT_POS < step {
            let other = values[(UNIT_POS + step) as usize];
            values[UNIT_POS as usize] = max(values[UNIT_POS as usize], other);
        }
        sync_cube();
    }
    values[0]
}
