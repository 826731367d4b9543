use burn::tensor::{DType, Device, Tensor, TensorData};

/// Rows of f32 values, one after another.
#[derive(Clone, Debug)]
pub(crate) struct CpuRows {
    pub(crate) values: Vec<f32>,
    /// Values of a row
    pub(crate) width: usize,
}

impl CpuRows {
    pub(crate) fn zeros(rows: usize, width: usize) -> Self {
        Self {
            values: vec![0.0; rows * width],
            width,
        }
    }

    /// The rows of `x`. The values are copied only if another tensor shares them.
    pub(crate) fn from_tensor(x: Tensor<2>) -> Self {
        let [_, width] = x.dims();
        let values = x.try_into_vec_as::<f32>();
        Self {
            values: values.expect("values in host memory are readable"),
            width,
        }
    }

    /// The rows as a tensor, without a copy.
    pub(crate) fn into_tensor(self, device: &Device) -> Tensor<2> {
        let rows = self.len();
        let data = TensorData::new(self.values, [rows, self.width]);
        Tensor::from_data(data, (device, DType::F32))
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Row `i` of the result is row `order[i]`.
    pub(crate) fn reorder(&self, order: &[i32]) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for &row in order {
            values.extend_from_slice(&self.values[row as usize * self.width..][..self.width]);
        }
        let width = self.width;
        Self { values, width }
    }
}

/// The first `length` values of `buffer`, whatever they are. The buffer grows if it is shorter.
pub(crate) fn sized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        *buffer = vec![0.0; length];
    }
    &mut buffer[..length]
}
