use burn::module::Module;
use burn::tensor::{DType, FloatDType, Tensor};

use super::Linear;
use crate::{PatchRows, join};

/// The patch projection (`Glm4vVisionPatchEmbed`): a convolution whose kernels do not overlap.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbed {
    /// The convolution's kernel, flattened to `[hidden, in_channels·temporal_patch_size·patch_size²]`
    pub(crate) proj: Linear,
    /// The sum of the kernel over its frames, `[hidden, in_channels·patch_size²]`: the projection of a frame that is repeated.
    /// It is f32 whatever the tower's type, which would round the sums. `None` if a patch has one frame
    pub(crate) image_proj: Option<Linear>,
}

impl PatchEmbed {
    /// `row_splits` are splits of the kernel, each `[rows, in_channels·frames·patch_size²]`.
    pub(crate) fn new(
        row_splits: Vec<Tensor<2>>,
        bias: Tensor<1>,
        [channels, frames]: [usize; 2],
    ) -> Self {
        let image_proj = (frames > 1).then(|| {
            let sums = row_splits.iter().map(|split| {
                let [rows, width] = split.dims();
                let area = width / channels / frames;
                sum_of_frames(split.clone().reshape([rows, channels, frames, area]))
            });
            Linear::new(sums.collect(), Some(bias.clone().cast(FloatDType::F32)))
        });
        Self {
            image_proj,
            proj: Linear::new(row_splits, Some(bias)),
        }
    }

    /// All rows projected, one part below the other.
    ///
    /// # Shapes
    /// - output: `[rows, hidden]`, in `dtype`
    pub(crate) fn forward(&self, rows: Vec<PatchRows>, dtype: DType) -> Tensor<2> {
        let project = |rows: PatchRows| match (rows, &self.image_proj) {
            (PatchRows::Image(rows), Some(proj)) => {
                proj.forward(rows.cast(FloatDType::F32)).cast(dtype)
            }
            (PatchRows::Image(rows), None) | (PatchRows::Video(rows), _) => {
                self.proj.forward(rows.cast(dtype))
            }
        };
        join(rows.into_iter().map(project).collect(), 0)
    }
}

/// The sum over the frames, in f32.
///
/// # Shapes
/// - kernel: `[rows, in_channels, frames, patch_size²]`
/// - output: `[rows, in_channels·patch_size²]`
fn sum_of_frames(kernel: Tensor<4>) -> Tensor<2> {
    let frame = |index| kernel.clone().narrow(2, index, 1).cast(FloatDType::F32);
    let frames = kernel.dims()[2];
    let sum = (1..frames).fold(frame(0), |sum, index| sum + frame(index));
    sum.flatten(1, 3)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::cpu::patch_embed;

    /// `[out, in_channels, frames, area]`
    const FRAMES_SHAPE: [usize; 4] = [3, 3, 4, 6];

    /// A patch kernel whose values are exact in bf16, while their sums over the frames are not.
    fn frame_values() -> Vec<f32> {
        let value = |index: usize| {
            let frame = index / 6 % 4;
            [1.0, 256.0, 1.0, -3.0][frame] * (1 + index % 5) as f32
        };
        (0..216).map(value).collect()
    }

    /// The sums over the frames, `[out, in_channels, area]`.
    fn frame_sums() -> Vec<f32> {
        let values = frame_values();
        let sum = |row: usize, pixel: usize| {
            let frame = |frame: usize| values[(row * 4 + frame) * 6 + pixel];
            (0..4).map(frame).sum()
        };
        (0..54).map(|index| sum(index / 6, index % 6)).collect()
    }

    #[test]
    fn frames_are_summed_in_f32() {
        let data = TensorData::new(frame_values(), FRAMES_SHAPE);
        let kernel = Tensor::<4>::from_data(data, (&Device::flex(), DType::F32));
        let sum = sum_of_frames(kernel.cast(FloatDType::BF16));
        assert_eq!((sum.dims(), sum.dtype()), ([3, 18], DType::F32));
        let sum: Vec<f32> = sum.into_data().iter().collect();
        assert_eq!(sum, frame_sums());
        let cpu = patch_embed::sum_of_frames(&frame_values(), 4, 6);
        assert_eq!(cpu, frame_sums());
    }

    #[test]
    fn one_frame_needs_no_sum() {
        let device = Device::flex();
        let split = Tensor::<2>::ones([1, 12], &device);
        let embed = PatchEmbed::new(vec![split], Tensor::zeros([1], &device), [3, 1]);
        assert!(embed.image_proj.is_none());
    }
}
