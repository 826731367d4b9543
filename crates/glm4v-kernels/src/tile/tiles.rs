//! Whether products in 16 and in eight bits use the tiles of AMX. They do on every processor that has them, if the system allows it
//! and a test product is right.

/// Whether products in 16 and in eight bits run on the tiles of AMX (`TDPBF16PS`, `TDPBSSD`), the fastest instructions of processors
/// that have them.
///
/// ```
/// use glm4v_kernels::Amx;
///
/// println!("{}", Amx::status()); // on a processor without it: "this processor has no AMX"
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amx {
    /// They do. Products in eight bits do only if the processor has them and their own test product is right.
    On,
    /// `GLM4V_AMX` is 0 in the environment.
    TurnedOff,
    /// The processor does not have it.
    Missing,
    /// The system does not save tiles. Linux does since version 5.16.
    NotSaved,
    /// The system refuses the memory for tiles.
    Denied,
    /// The instructions exist, but a test product was wrong.
    Wrong,
}

impl Amx {
    /// The status on this processor. The first call asks the system for the memory of tiles, and computes a test product. The first
    /// product in 16 or eight bits makes this call; products in f32 do not.
    #[cfg(target_arch = "x86_64")]
    #[must_use]
    pub fn status() -> Self {
        static STATUS: std::sync::OnceLock<Amx> = std::sync::OnceLock::new();
        *STATUS.get_or_init(detect)
    }

    /// The status on this processor: AMX exists on x86-64 only.
    #[cfg(not(target_arch = "x86_64"))]
    #[must_use]
    pub fn status() -> Self {
        Self::Missing
    }

    /// Whether products in 16 bits use the tiles.
    pub(crate) fn is_on() -> bool {
        Self::status() == Self::On
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Amx {
    use crate::isa::x86;

    if std::env::var_os("GLM4V_AMX").is_some_and(|value| value == "0") {
        Amx::TurnedOff
    } else if !x86::has_tiles() {
        Amx::Missing
    } else if !x86::saves_tiles() {
        Amx::NotSaved
    } else if !x86::may_use_tiles() {
        Amx::Denied
    } else if !multiplies() {
        Amx::Wrong
    } else {
        Amx::On
    }
}

/// Whether the processor's tiles multiply as loops do. There are four steps: a product, the same added to it, and both again. So a
/// step also sees what an earlier one left in the tiles. Sums of small whole numbers are exact in any order.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn multiplies() -> bool {
    use super::{AMX_ROWS, COLUMNS, amx, model};
    use crate::transpose::STEPS;

    /// Blocks of the inner dimension.
    const BLOCKS: usize = 2;

    let panel = |factor: usize| -> Vec<u32> {
        let value = |index: usize| (index * factor % 17) as f32 - 8.0;
        let words = 0..BLOCKS * STEPS * COLUMNS.max(AMX_ROWS);
        let word = |index| crate::pack::pair(value(2 * index), value(2 * index + 1));
        words.map(word).collect()
    };
    let [left, right] = [5, 11].map(panel);
    let [mut found, mut expected] = [[[f32::NAN; COLUMNS]; AMX_ROWS]; 2];
    // SAFETY: the caller has found the tiles and has permission to use them.
    let tiles = unsafe { amx::Configured::new() };
    let agrees = [false, true, false, true].into_iter().all(|add| {
        // SAFETY: this thread's tiles are configured.
        unsafe { amx::pairs(&left, &right, &mut found, add) };
        model::pairs(&left, &right, &mut expected, add);
        found == expected
    });
    drop(tiles);
    agrees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn tiles_are_released_by_a_panic() {
        if !Amx::is_on() {
            return;
        }
        let kernel = crate::tile::Kernel::for_weights(crate::Precision::Bf16);
        for _ in 0..2 {
            let nested = std::panic::catch_unwind(|| {
                let _first = kernel.begin();
                drop(kernel.begin());
            });
            assert!(nested.is_err());
        }
        let mut tile = [[f32::NAN; 32]; 32];
        kernel
            .begin()
            .multiply(&[0; 512], &[0; 512], &mut tile, false);
        assert!(tile.as_flattened().iter().all(|value| *value == 0.0));
    }
}
