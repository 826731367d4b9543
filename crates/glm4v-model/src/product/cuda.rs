//! Products on NVIDIA's GPUs.
//!
//! burn's own products round f32 to TF32, whose factors have 11 significant bits instead of 24. In 16 bits they are several times as
//! slow as those of cuBLAS.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeDevice;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy;
use cubek::matmul::multi_level::routines::TileSizeSelection;
use cubek::matmul::multi_level::routines::batch::simple_unit::SimpleUnitSelectionArgs;
use cubek::matmul::routine::BlueprintStrategy;
use cubek::std::InputBinding;

use super::cublas;
use crate::primitive::{primitive, product_output, tensor};

pub(super) fn is_cublas<const D: usize>(x: &Tensor<D>) -> bool {
    primitive(x).is_some_and(|x| cublas::of(&x).is_some())
}

/// x·y for each y, or `None` where burn's product is right: on other devices, and in 16 bits without cuBLAS.
pub(super) fn matmul_each<const D: usize>(
    x: &Tensor<D>,
    ys: &[Tensor<D>],
) -> Option<Vec<Tensor<D>>> {
    let x = primitive(x).filter(|x| matches!(x.device, CubeDevice::Cuda(_)))?;
    let ys: Vec<CubeTensor> = ys.iter().map(primitive).collect::<Option<_>>()?;
    let products = cublas::of(&x).and_then(|cublas| cublas.matmul_each(&x, &ys));
    let products = match x.dtype {
        DType::F32 => products.unwrap_or_else(|| ys.iter().map(|y| exact(&x, y)).collect()),
        _ => products?,
    };
    Some(products.into_iter().map(tensor).collect())
}

/// x·y in f32, without tensor cores.
fn exact(x: &CubeTensor, y: &CubeTensor) -> CubeTensor {
    let output = product_output(x, y);
    let value = dtype_to_storage_type(x.dtype);
    let strategy = Strategy::SimpleUnit(BlueprintStrategy::Inferred(SimpleUnitSelectionArgs {
        tile_size: TileSizeSelection::MaxTileSize,
    }));
    let launched = launch_ref(
        &strategy.into(),
        &x.client,
        InputBinding::new(x.clone().binding(), value),
        InputBinding::new(y.clone().binding(), value),
        output.clone().binding(),
        &mut MatmulElems::from_globals(&MatmulGlobalElems {
            lhs: value,
            rhs: value,
            out: value,
        }),
    );
    launched.expect("a kernel without tensor cores runs on every GPU");
    output
}
