//! cuBLAS, NVIDIA's library of products, on the memory of burn's tensors.
//!
//! The library comes with the CUDA toolkit. It is loaded when the first product needs it.

use std::collections::HashMap;
use std::ffi::{c_int, c_longlong, c_void};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use burn::tensor::DType;
use burn_cubecl::CubeDevice;
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
use crate::primitive::product_output;

/// The library on one GPU, with a stream of its own.
pub(super) struct Cublas {
    stream: Arc<CudaStream>,
    library: Mutex<CudaBlas>,
    order: Order,
}

/// cuBLAS on the GPU of `x`, or `None` where the library is not installed or the device is another.
pub(super) fn of(x: &CubeTensor) -> Option<Arc<Cublas>> {
    static GPUS: LazyLock<Mutex<HashMap<usize, Option<Arc<Cublas>>>>> =
        LazyLock::new(Mutex::default);
    let CubeDevice::Cuda(device) = &x.device else {
        return None;
    };
    let index = device.index;
    let mut gpus = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = gpus.entry(index).or_insert_with(|| {
        // On burn's own thread, because this makes the GPU the current one of the thread.
        let made = x.client.exclusive(move || Cublas::new(index));
        made.ok().flatten().map(Arc::new)
    });
    found.clone()
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
        let x = Placed::new(x);
        let products = ys.iter().map(|y| {
            let output = product_output(&x.tensor, y);
            (Placed::new(y), Placed::new(&output))
        });
        let products: Vec<(Placed, Placed)> = products.collect();
        // Runs on the thread that gives burn's work to the GPU, after all that it was given before.
        let client = &x.tensor.client;
        let multiplied = client.exclusive(|| self.multiply_each(&x, &products));
        multiplied.ok().flatten()?;
        Some(
            products
                .into_iter()
                .map(|(_, output)| output.tensor)
                .collect(),
        )
    }

    fn multiply_each(&self, x: &Placed, products: &[(Placed, Placed)]) -> Option<()> {
        let x = Matrices::new(x)?;
        let products = products.iter().map(|(y, output)| {
            let y = Matrices::new(y).filter(|y| x.fits(y))?;
            Some((y, Matrices::new(output)?))
        });
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

/// A tensor of matrices at the same distance from each other, row by row or column by column.
struct Placed {
    tensor: CubeTensor,
    layout: Layout,
}

struct Layout {
    by_columns: bool,
    /// Values from a row to the next, or from a column to the next.
    step: usize,
    /// Matrices.
    count: usize,
    /// Values from a matrix to the next.
    distance: usize,
}

impl Placed {
    /// The tensor, or its values copied if they have no such layout.
    fn new(tensor: &CubeTensor) -> Self {
        let (tensor, layout) = match Layout::of(tensor) {
            Some(layout) => (tensor.clone(), layout),
            None => {
                let tensor = into_contiguous(tensor.clone());
                let layout = Layout::of(&tensor).expect("contiguous values have a layout");
                (tensor, layout)
            }
        };
        Self { tensor, layout }
    }
}

impl Layout {
    fn of(tensor: &CubeTensor) -> Option<Self> {
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
        Some(Self {
            by_columns: !in_rows,
            step,
            count,
            distance,
        })
    }
}

/// Matrices as the library takes them.
struct Matrices {
    pointer: u64,
    rows: c_int,
    columns: c_int,
    by_columns: bool,
    step: c_int,
    count: c_int,
    distance: c_longlong,
    kind: cudaDataType,
}

impl Matrices {
    /// `None` if a size is too large for the library, or burn's work on the tensor failed.
    fn new(Placed { tensor, layout }: &Placed) -> Option<Self> {
        type Server = <CudaRuntime as Runtime>::Server;
        let place = tensor.client.get_resource::<Server>(tensor.handle.clone());
        let shape = tensor.meta.shape();
        let size = |size: usize| c_int::try_from(size).ok();
        Some(Self {
            pointer: place.ok()?.resource().ptr,
            rows: size(shape[shape.len() - 2])?,
            columns: size(shape[shape.len() - 1])?,
            by_columns: layout.by_columns,
            step: size(layout.step)?,
            count: size(layout.count)?,
            distance: c_longlong::try_from(layout.distance).ok()?,
            kind: match tensor.dtype {
                DType::F32 => cudaDataType::CUDA_R_32F,
                DType::F16 => cudaDataType::CUDA_R_16F,
                DType::BF16 => cudaDataType::CUDA_R_16BF,
                _ => return None,
            },
        })
    }

    /// Whether there is a product of these matrices and `other`.
    fn fits(&self, other: &Self) -> bool {
        self.columns == other.rows && self.count == other.count && self.kind == other.kind
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
    let (one, zero) = (1.0_f32, 0.0_f32);
    let number = |value: &f32| std::ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the pointers are those of tensors that fit, and all work of burn that could write or free their memory waits for
    // the products. Sizes and distances are those of the tensors. The lock of the library is held.
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
