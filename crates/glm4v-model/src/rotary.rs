//! The angles of the rotary embedding.

use glm4v_config::VisionConfig;

use crate::layout::BatchLayout;

/// Cosine and sine of the rotary angles of every patch, each `[patches, head_dim / 2]` (`Glm4vVisionRotaryEmbedding`). The angles
/// of the patch's row come first, then the angles of its column. Both halves of a head have the same angles.
pub(crate) struct RotaryTables {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    pub(crate) head_dim: usize,
}

impl RotaryTables {
    pub(crate) fn new(layout: &BatchLayout, config: &VisionConfig) -> Self {
        let (head_dim, rope_theta) = (config.head_dim(), config.rope_theta());
        let axis_dim = (head_dim / 2) as f32;
        let frequencies: Vec<f32> = (0..head_dim / 2)
            .step_by(2)
            .map(|index| 1.0 / (rope_theta as f32).powf(index as f32 / axis_dim))
            .collect();
        Self {
            cos: table(layout, &frequencies, f32::cos),
            sin: table(layout, &frequencies, f32::sin),
            head_dim,
        }
    }

    /// Rotates the first `heads` heads of the patches from `first` on in place.
    ///
    /// # Shapes
    /// - rows: `[patches, stride]`
    pub(crate) fn rotate(&self, first: usize, rows: &mut [f32], stride: usize, heads: usize) {
        let half = self.head_dim / 2;
        let angles = first * half..(first + rows.len() / stride) * half;
        let rotary = glm4v_kernels::Rotary {
            cos: &self.cos[angles.clone()],
            sin: &self.sin[angles],
            head_dim: self.head_dim,
        };
        rotary.rotate(rows, stride, heads);
    }
}

/// `function` of the angles of all patches.
fn table(layout: &BatchLayout, frequencies: &[f32], function: fn(f32) -> f32) -> Vec<f32> {
    // There are few positions, and many patches at each.
    let of_positions: Vec<f32> = (0..layout.longest_side())
        .flat_map(|position| frequencies.iter().map(move |f| position as f32 * f))
        .map(function)
        .collect();
    let width = frequencies.len();
    let at = |position: usize| &of_positions[position * width..][..width];
    let mut values = Vec::with_capacity(layout.num_patches() * 2 * width);
    layout.for_each_patch(|(y, x), _| {
        values.extend_from_slice(at(y));
        values.extend_from_slice(at(x));
    });
    values
}

#[cfg(test)]
mod tests {
    use glm4v_config::GridThw;

    use super::*;

    #[test]
    fn angles_are_those_of_the_row_then_the_column() {
        let layout = BatchLayout::new(&[GridThw::new(1, 2, 4)], 2);
        let config = VisionConfig {
            hidden_size: 16,
            num_heads: 2,
            ..VisionConfig::default()
        };
        let RotaryTables { cos, sin, .. } = RotaryTables::new(&layout, &config);
        // The seventh patch is at (1, 2). head_dim 8 has the frequencies 1 and 1/100.
        let angles = [1.0_f32, 0.01, 2.0, 0.02];
        assert_eq!(cos[6 * 4..7 * 4], angles.map(f32::cos));
        assert_eq!(sin[6 * 4..7 * 4], angles.map(f32::sin));
    }
}
