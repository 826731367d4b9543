use burn::tensor::Tensor;

use super::check_shape;
use crate::Error;

/// A linear map to the width of another language model: x·weightᵀ + bias, as `torch.nn.Linear`.
///
/// ```
/// use glm4v::{DeviceSpec, Tensor, prompt::Projection};
///
/// let device = "flex".parse::<DeviceSpec>()?.open()?;
/// let projection = Projection::new(Tensor::ones([512, 256], &device), None)?; // [out, in]
/// let projected = projection.forward(Tensor::ones([3, 256], &device))?;
/// assert_eq!(projected.dims(), [3, 512]);
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Projection {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Projection {
    /// # Shapes
    /// - weight: `[out_features, in_features]`
    /// - bias: `[out_features]`
    ///
    /// # Errors
    /// [`Error::Shape`] if the bias has another length.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Result<Self, Error> {
        let [out, _] = weight.dims();
        if let Some(bias) = &bias {
            let [found] = bias.dims();
            check_shape("bias", found == out, format!("[{out}]"), &[found])?;
        }
        Ok(Self { weight, bias })
    }

    /// # Shapes
    /// - embeddings: `[tokens, in_features]`
    /// - output: `[tokens, out_features]`
    ///
    /// # Errors
    /// [`Error::Shape`] if the embeddings have another width.
    pub fn forward(&self, embeddings: Tensor<2>) -> Result<Tensor<2>, Error> {
        let [_, width] = self.weight.dims();
        let [tokens, found] = embeddings.dims();
        let expected = format!("[tokens, {width}]");
        check_shape("embeddings", found == width, expected, &[tokens, found])?;
        let projected = embeddings.matmul(self.weight.clone().transpose());
        Ok(match &self.bias {
            Some(bias) => projected + bias.clone().unsqueeze(),
            None => projected,
        })
    }
}
