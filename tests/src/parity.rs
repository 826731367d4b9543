use std::time::Instant;

use anyhow::{Context, Result, ensure};
use glm4v::model::Stage;
use glm4v::{ComputeType, FloatDType, Patches, Tensor, VisionEncoder};

use crate::{Batch, Difference, Golden};

/// One stage compared with the reference's.
#[derive(Clone, Debug)]
pub struct Row {
    /// The stage, named by the key of its module.
    pub stage: String,
    /// The difference from the reference.
    pub difference: Difference,
    /// The largest relative L2 that is allowed.
    pub tolerance: f64,
}

impl Row {
    /// Whether the stage is within its tolerance.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.difference.relative_l2.is_finite() && self.difference.relative_l2 <= self.tolerance
    }
}

/// All stages of one case, in the tower's order.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The preprocessing first, then the tower's stages.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// The first stage beyond its tolerance.
    #[must_use]
    pub fn first_divergence(&self) -> Option<&Row> {
        self.rows.iter().find(|row| !row.holds())
    }
}

/// The tolerance of a stage in f32, in relative L2. It allows for rounding only.
pub const F32_TOLERANCE: f64 = 5e-6;
/// The tolerance of 16-bit embeddings against the f32 reference, as a multiple of the error of the reference's own 16-bit
/// embeddings. It is more than 1 for two reasons. burn rounds a product before it adds the bias, and torch rounds once after
/// that. And some goldens have only seven tokens, so that chance matters (measured: 0.77 to 1.25).
const REDUCED_FACTOR: f64 = 1.4;
/// The same for bf16 on the CPU kernels. They round only the operands of products (measured: 0.49 to 0.73).
const CPU_BF16_FACTOR: f64 = 0.9;
/// The tolerance of embeddings in eight bits against the f32 reference. Rounding adds an error of about 0.9 % to each product.
/// torch with rows and weights rounded in the same way has an error of 6.8e-2 in the case `patch14-f32`, which enlarges
/// rounding errors most (measured: 3.1e-2 to 6.9e-2).
const INT8_TOLERANCE: f64 = 8e-2;

/// Preprocesses and encodes the case, and compares every stage with the reference. `encoder` has the checkpoint of the case
/// and computes in `dtype`. The tower reads the reference's pixel values, so that errors of the preprocessing do not add up.
///
/// # Errors
/// If the case cannot be encoded, or the stages are not those of the reference.
pub fn compare(
    golden: &Golden,
    encoder: &VisionEncoder,
    dtype: impl Into<ComputeType>,
    f32_tolerance: f64,
) -> Result<Comparison> {
    let Batch { patches, sampled } = Batch::new(&golden.inputs, encoder.processor())?;
    let expected = &golden.expected;
    ensure!(
        sampled == expected.sampled,
        "{}: expected the frames {:?}, found {sampled:?}",
        golden.name,
        expected.sampled
    );
    ensure!(
        patches.grids() == expected.grids,
        "{}: expected the grids {:?}, found {:?}",
        golden.name,
        expected.grids,
        patches.grids()
    );
    let mut rows = vec![pixel_values(golden, &patches)?];

    let reference = reference_patches(golden, patches.row_len())?;
    let dtype = dtype.into();
    let factor = match dtype {
        ComputeType::BF16 if encoder.model().mode().is_cpu() => CPU_BF16_FACTOR,
        ComputeType::Float(_) | ComputeType::Int8 => REDUCED_FACTOR,
    };
    let mut found = Vec::new();
    // The values are read at once. On a GPU burn's data are lazy, and a later operation may reuse their buffer.
    let mut observe = |stage: Stage, x: Tensor<2>| {
        found.push((stage, x.into_data().iter().collect::<Vec<f32>>()));
    };
    encoder.encode_observed(&reference, &mut observe)?;
    for (name, values) in found {
        rows.push(Row {
            difference: Difference::new(&values, stage(golden, &name.to_string())?),
            stage: name.to_string(),
            tolerance: match (dtype, name) {
                (ComputeType::Int8, Stage::Merger) => INT8_TOLERANCE,
                (ComputeType::Int8, _) => f64::INFINITY,
                (ComputeType::Float(dtype), _) => match reduced_stage(dtype) {
                    Some(reduced) => reduced_tolerance(name, golden, reduced, factor)?,
                    None => f32_tolerance,
                },
            },
        });
    }
    let seen = rows
        .iter()
        .filter(|row| row.stage != "pixel_values")
        .count();
    let stages = expected
        .stages
        .keys()
        .filter(|name| !["pixel_values", "merger_bf16", "merger_f16"].contains(&&name[..]));
    ensure!(seen == stages.count(), "the reference has other stages");
    Ok(Comparison { rows })
}

/// Times the tower and the reading of its values, in seconds. One run that is not timed comes before `repeat` runs.
///
/// # Errors
/// If the case cannot be encoded.
pub fn time(golden: &Golden, encoder: &VisionEncoder, repeat: usize) -> Result<Vec<f64>> {
    if repeat == 0 {
        return Ok(Vec::new());
    }
    let patches = reference_patches(golden, encoder.config().patch_dim())?;
    let run = || -> Result<f64> {
        let start = Instant::now();
        let values = encoder.encode_values(&patches)?;
        ensure!(
            values.into_iter().all(f32::is_finite),
            "not all values are finite"
        );
        Ok(start.elapsed().as_secs_f64())
    };
    run()?;
    (0..repeat).map(|_| run()).collect()
}

/// The reference's pixel values as a batch of rows of `width` values.
///
/// # Errors
/// If the golden has no pixel values, or of another width.
pub fn reference_patches(golden: &Golden, width: usize) -> Result<Patches> {
    let values = stage(golden, "pixel_values")?.to_vec();
    let rows = values.len() / width;
    let values = ndarray::Array2::from_shape_vec((rows, width), values)?;
    Ok(Patches::from_pixel_values(
        values,
        golden.expected.grids.clone(),
    )?)
}

/// The stage of a golden with the embeddings that the reference computed in `dtype`. `None` for f32.
#[must_use]
pub fn reduced_stage(dtype: FloatDType) -> Option<&'static str> {
    match dtype {
        FloatDType::F16 => Some("merger_f16"),
        FloatDType::BF16 => Some("merger_bf16"),
        _ => None,
    }
}

/// In 16 bits only the embeddings have a tolerance. It comes from the reference's 16-bit embeddings, the stage `reduced`, if
/// the golden has them.
fn reduced_tolerance(stage: Stage, golden: &Golden, reduced: &str, factor: f64) -> Result<f64> {
    let Some(reduced) = golden.expected.stages.get(reduced) else {
        return Ok(f64::INFINITY);
    };
    match stage {
        Stage::Merger => {
            Ok(factor * Difference::new(reduced, self::stage(golden, "merger")?).relative_l2)
        }
        Stage::PatchEmbed
        | Stage::PostConvLayernorm
        | Stage::Embeddings
        | Stage::BlockInput(_)
        | Stage::Block(_)
        | Stage::PostLayernorm
        | Stage::Downsample => Ok(f64::INFINITY),
    }
}

fn pixel_values(golden: &Golden, patches: &Patches) -> Result<Row> {
    let found: Vec<f32> = patches.pixel_values().iter().copied().collect();
    let difference = Difference::new(&found, stage(golden, "pixel_values")?);
    // For pixels the largest difference decides.
    let tolerance = if difference.max_abs <= 1e-6 {
        f64::INFINITY
    } else {
        0.0
    };
    Ok(Row {
        stage: "pixel_values".into(),
        difference,
        tolerance,
    })
}

fn stage<'a>(golden: &'a Golden, name: &str) -> Result<&'a [f32]> {
    let values = golden.expected.stages.get(name);
    Ok(values.with_context(|| format!("the reference of {} has no stage {name}", golden.name))?)
}
