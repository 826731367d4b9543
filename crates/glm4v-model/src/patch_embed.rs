use burn::module::Module;
use burn::tensor::{DType, FloatDType, Tensor, TensorData};

use crate::linear::Kernel;
use crate::source::{ParameterSource, Scope};
use crate::{HostWeight, Linear, Precision, join};

/// The patch projection (`Glm4vVisionPatchEmbed`): a convolution that never overlaps.
///
/// A still is one frame repeated, so that its projection is that of the frame by the sum of the kernel's temporal slices.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// The convolution's kernel, flattened to `[hidden, in_channels·temporal_patch_size·patch_size²]`
    pub proj: Linear,
    /// Its temporal slices added up, `[hidden, in_channels·patch_size²]`: in f32 whatever the tower's type, which would
    /// round the sums. None where a patch is of one frame
    pub stills: Option<Linear>,
}

impl PatchEmbed {
    pub(crate) fn load<S: ParameterSource>(mut scope: Scope<'_, S>) -> Result<Self, S::Error> {
        let mut scope = scope.child("proj");
        let bias: Tensor<1> = scope.tensor("bias")?;
        let kernel = Kernel::<5>::load(&mut scope)?;
        let stills = kernel.sum_of_frames().map(|sum| {
            let bias = bias.clone().cast(FloatDType::F32);
            Linear::convolution(sum, bias)
        });
        Ok(Self {
            proj: Linear::convolution(kernel, bias),
            stills,
        })
    }

    /// The rows of all parts, one below the other, projected.
    ///
    /// # Shapes
    /// - parts: `[rows, in_channels·temporal_patch_size·patch_size²]`, or of stills `[rows, in_channels·patch_size²]`
    /// - output: `[rows of all parts, hidden]`, in `dtype`
    pub(crate) fn forward(&self, parts: Vec<Tensor<2>>, dtype: DType) -> Tensor<2> {
        let project = |part: Tensor<2>| match &self.stills {
            Some(stills) if part.dims()[1] == stills.inputs() => {
                stills.forward(part.cast(FloatDType::F32)).cast(dtype)
            }
            _ => self.proj.forward(part.cast(dtype)),
        };
        join(parts.into_iter().map(project).collect(), 0)
    }
}

impl Kernel<5> {
    /// A kernel of one frame, where there are more: `[out, in_channels, frames, height, width]` summed over the frames,
    /// in f32.
    fn sum_of_frames(&self) -> Option<Self> {
        let sum = match self {
            Self::Host(weight) => Self::Host(sum_on_host(weight)?),
            Self::Device(parts) => {
                let sums = parts.iter().map(sum_on_device);
                Self::Device(sums.collect::<Option<_>>()?)
            }
        };
        Some(sum)
    }
}

fn sum_on_host(kernel: &HostWeight) -> Option<HostWeight> {
    let [outer, channels, frames, height, width] = kernel.values.shape()[..] else {
        unreachable!("the kernel of a 3-D convolution has five dimensions");
    };
    let area = height * width;
    let values: Vec<f32> = kernel.values.iter().collect();
    let sums = values.chunks_exact(frames * area).flat_map(|planes| {
        (0..area).map(move |pixel| planes[pixel..].iter().step_by(area).sum::<f32>())
    });
    (frames > 1).then(|| HostWeight {
        values: TensorData::new(
            sums.collect::<Vec<_>>(),
            [outer, channels, 1, height, width],
        ),
        precision: Precision::F32,
    })
}

fn sum_on_device(part: &Tensor<5>) -> Option<Tensor<5>> {
    let frames = part.dims()[2];
    let frame = |index| part.clone().narrow(2, index, 1).cast(FloatDType::F32);
    (frames > 1).then(|| (1..frames).fold(frame(0), |sum, index| sum + frame(index)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const SHAPE: [usize; 5] = [3, 3, 4, 2, 3];

    /// The value at (out, channel, frame, pixel), exact in bf16, and not their sums.
    fn value(index: usize) -> f32 {
        let frame = index / 6 % 4;
        [1.0, 256.0, 1.0, -3.0][frame] * (1 + index % 5) as f32
    }

    fn expected() -> Vec<f32> {
        let values: Vec<f32> = (0..216).map(value).collect();
        let sum = |row: usize, pixel: usize| {
            let frame = |frame: usize| values[(row * 4 + frame) * 6 + pixel];
            (0..4).map(frame).sum()
        };
        (0..54).map(|index| sum(index / 6, index % 6)).collect()
    }

    #[test]
    fn frames_are_summed_in_f32_on_both_sides() {
        let data = TensorData::new((0..216).map(value).collect::<Vec<_>>(), SHAPE);
        let device = Device::flex();
        let part = Tensor::<5>::from_data(data.clone(), (&device, DType::F32));
        let sum = sum_on_device(&part.cast(FloatDType::BF16)).unwrap();
        assert_eq!((sum.dims(), sum.dtype()), ([3, 3, 1, 2, 3], DType::F32));
        assert_eq!(
            sum.into_data().iter::<f32>().collect::<Vec<_>>(),
            expected()
        );

        let kernel = HostWeight {
            values: data.convert::<half::bf16>(),
            precision: Precision::Bf16,
        };
        let sum = sum_on_host(&kernel).unwrap();
        assert_eq!(sum.precision, Precision::F32);
        assert_eq!(sum.values.iter::<f32>().collect::<Vec<_>>(), expected());
    }

    #[test]
    fn one_frame_needs_no_sum() {
        let values = TensorData::new(vec![1.0_f32; 12], [1, 3, 1, 2, 2]);
        let precision = Precision::F32;
        let part = Tensor::<5>::from_data(values.clone(), &Device::flex());
        assert!(sum_on_device(&part).is_none());
        assert!(sum_on_host(&HostWeight { values, precision }).is_none());
    }
}
