use glm4v_kernels::PackedWeight;

use super::rows::CpuRows;
use crate::PatchRows;

/// The patch projection (`Glm4vVisionPatchEmbed`): a convolution whose kernels do not overlap.
pub(crate) struct PatchEmbed {
    pub(crate) proj: PackedWeight,
    /// The sum of the kernel over its frames: the projection of a frame that is repeated. `None` if a patch has one frame
    pub(crate) image_proj: Option<PackedWeight>,
}

impl PatchEmbed {
    /// All rows projected, one part below the other.
    pub(crate) fn forward(&self, rows: Vec<PatchRows>) -> CpuRows {
        let count = rows.iter().map(|rows| rows.dims()[0]).sum();
        let mut out = CpuRows::zeros(count, self.proj.out_features());
        let mut rest = &mut out.values[..];
        for rows in rows {
            let (proj, rows) = match (rows, &self.image_proj) {
                (PatchRows::Image(rows), Some(proj)) => (proj, rows),
                (PatchRows::Image(rows), None) | (PatchRows::Video(rows), _) => (&self.proj, rows),
            };
            let rows = CpuRows::from_tensor(rows);
            let (out, after) = rest.split_at_mut(rows.len() * proj.out_features());
            proj.product(&rows.values, out);
            rest = after;
        }
        out
    }
}

/// The sum of a convolution's kernel over its frames, in f32.
///
/// # Shapes
/// - kernel: `[out, in_channels, frames, area]`
/// - output: `[out, in_channels, area]`
pub(crate) fn sum_of_frames(kernel: &[f32], frames: usize, area: usize) -> Vec<f32> {
    let planes = kernel.chunks_exact(frames * area);
    let sums = planes.flat_map(|planes| {
        (0..area).map(move |pixel| planes[pixel..].iter().step_by(area).sum::<f32>())
    });
    sums.collect()
}
