//! cuBLAS, NVIDIA's library of products, on the memory of burn's tensors.
//!
//! The library comes with the CUDA toolkit. It is loaded when the first product needs it.

use std::collections::HashMap;
use std::ffi::{c_int, c_longlong, c_void};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use burn::tensor::DType;
use burn_cubecl::cubecl::cuda::CudaRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl_runtime::runtime::Runtime;
use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasMath_t, cublasOperation_t, cublasSetMathMode,
    cudaDataType, is_culib_present,
};
use cudarc::cublas::{CudaBlas, result};
use cudarc::driver::{CudaContext, CudaStream};

use super::order::Order;
use crate::fused::primitive;

/// The library on one GPU, with a stream of its own.
pub(super) struct Cublas {
    stream: Arc<CudaStream>,
    library: Mutex<CudaBlas>,
    order: Order,
}

/// cuBLAS on the GPU `index`, or `None` where the library is not installed.
pub(super) fn of_device(index: usize) -> Option<Arc<Cublas>> {
    static DEVICES: LazyLock<Mutex<HashMap<usize, Option<Arc<Cublas>>>>> =
        LazyLock::new(Mutex::default);
    let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
    let found = devices.entry(index);
    found
        .or_insert_with(|| Cublas::new(index).map(Arc::new))
        .clone()
}

impl Cublas {
    fn new(index: usize) -> Option<Self> {
        // SAFETY: it loads NVIDIA's library, whose initialisers every program with cuBLAS runs, and unloads it again.
        if !unsafe { is_culib_present() } {
            return None;
        }
        // burn uses the same context: the primary one of the GPU.
        let context = CudaContext::new(index).ok()?;
        let stream = context.new_stream().ok()?;
        let library = CudaBlas::new(stream.clone()).ok()?;
        // Parts of a long sum must not be rounded to 16 bits before they are added.
        let mode = cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
        // SAFETY: the handle is that of the library, which lives.
        unsafe { cublasSetMathMode(*library.handle(), mode) }
            .result()
            .ok()?;
        Some(Self {
            stream,
            library: Mutex::new(library),
            order: Order::new(context)?,
        })
    }

    /// x·y for each y. `None` if the library fails or its sizes do not suffice.
    pub(super) fn matmul_each(&self, x: &CubeTensor, ys: &[CubeTensor]) -> Option<Vec<CubeTensor>> {
        let x = in_matrices(x);
        let ys: Vec<CubeTensor> = ys.iter().map(in_matrices).collect();
        let outputs: Vec<_> = ys
            .iter()
            .map(|y| primitive::product_output(&x, y))
            .collect();
        // Runs on the thread that gives burn's work to the GPU, after all that it was given before.
        let multiplied = x.client.exclusive(|| self.multiply_each(&x, &ys, &outputs));
        multiplied.ok().flatten().map(|()| outputs)
    }

    fn multiply_each(
        &self,
        x: &CubeTensor,
        ys: &[CubeTensor],
        outputs: &[CubeTensor],
    ) -> Option<()> {
        let x = Matrices::new(x)?;
        let products = ys.iter().zip(outputs);
        let products =
            products.map(|(y, output)| Some((Matrices::new(y)?, Matrices::new(output)?)));
        let products: Vec<(Matrices, Matrices)> = products.collect::<Option<_>>()?;
        let library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        self.order.after_burn(&self.stream).ok()?;
        let launched = products
            .iter()
            .try_for_each(|(y, output)| multiply(&library, &x, y, output));
        self.order.before_burn(&self.stream).ok()?;
        launched
    }
}

/// Matrices at the same distance from each other, row by row or column by column.
struct Matrices {
    pointer: u64,
    rows: c_int,
    columns: c_int,
    by_columns: bool,
    /// Values from a row to the next, or from a column to the next.
    step: c_int,
    count: c_int,
    /// Values from a matrix to the next.
    distance: c_longlong,
    kind: cudaDataType,
}

/// The tensor, or its values copied so that [`Matrices`] can describe them.
fn in_matrices(tensor: &CubeTensor) -> CubeTensor {
    match layout(tensor) {
        Some(_) => tensor.clone(),
        None => into_contiguous(tensor.clone()),
    }
}

/// Whether the values are column by column, the step, the count and the distance, as in [`Matrices`].
fn layout(tensor: &CubeTensor) -> Option<(bool, usize, usize, usize)> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let (row, column) = (shape.len() - 2, shape.len() - 1);
    let in_rows = strides[column] == 1 && (shape[row] == 1 || strides[row] >= shape[column]);
    let in_columns = strides[row] == 1 && (shape[column] == 1 || strides[column] >= shape[row]);
    let step = match (in_rows, in_columns) {
        (true, _) => strides[row].max(shape[column]),
        (false, true) => strides[column].max(shape[row]),
        (false, false) => return None,
    };
    let (mut count, mut distance) = (1, 0);
    for dim in (0..row).rev().filter(|&dim| shape[dim] > 1) {
        if count == 1 {
            distance = strides[dim];
        } else if strides[dim] != count * distance {
            return None;
        }
        count *= shape[dim];
    }
    Some((!in_rows, step, count, distance))
}

impl Matrices {
    /// `None` if a size is too large for the library.
    fn new(tensor: &CubeTensor) -> Option<Self> {
        type Server = <CudaRuntime as Runtime>::Server;
        let (by_columns, step, count, distance) = layout(tensor)?;
        let place = tensor.client.get_resource::<Server>(tensor.handle.clone());
        let shape = tensor.meta.shape();
        let size = |size: usize| c_int::try_from(size).ok();
        Some(Self {
            pointer: place.ok()?.resource().ptr,
            rows: size(shape[shape.len() - 2])?,
            columns: size(shape[shape.len() - 1])?,
            by_columns,
            step: size(step)?,
            count: size(count)?,
            distance: distance as c_longlong,
            kind: match tensor.dtype {
                DType::F32 => cudaDataType::CUDA_R_32F,
                DType::F16 => cudaDataType::CUDA_R_16F,
                DType::BF16 => cudaDataType::CUDA_R_16BF,
                _ => return None,
            },
        })
    }

    /// What the library does with the matrices. It reads columns.
    fn operation(&self) -> cublasOperation_t {
        match self.by_columns {
            true => cublasOperation_t::CUBLAS_OP_T,
            false => cublasOperation_t::CUBLAS_OP_N,
        }
    }
}

/// Starts output = x·y. The library reads rows as columns, so it is told to compute outputᵀ = yᵀ·xᵀ.
fn multiply(library: &CudaBlas, x: &Matrices, y: &Matrices, output: &Matrices) -> Option<()> {
    let fits = x.columns == y.rows && x.count == y.count && x.kind == y.kind;
    assert!(fits, "the factors of a product fit");
    let (one, zero) = (1.0_f32, 0.0_f32);
    let number = |value: &f32| std::ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the pointers are those of tensors, and all work of burn that could write or free their memory waits for the
    // products. Sizes and distances are those of the tensors. The lock of the library is held.
    let status = unsafe {
        result::gemm_strided_batched_ex(
            *library.handle(),
            y.operation(),
            x.operation(),
            y.columns,
            x.rows,
            x.columns,
            number(&one),
            y.pointer as *const c_void,
            y.kind,
            y.step,
            y.distance,
            x.pointer as *const c_void,
            x.kind,
            x.step,
            x.distance,
            number(&zero),
            output.pointer as *mut c_void,
            output.kind,
            output.step,
            output.distance,
            x.count,
            cublasComputeType_t::CUBLAS_COMPUTE_32F,
            cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
        )
    };
    status.ok()
}
