use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use glm4v::{AttentionMethod, FloatDType, Patches, Stage, Tensor, VisionEncoder};

use crate::{Batch, Difference, Golden};

/// One stage compared with the reference's.
#[derive(Clone, Debug)]
pub struct Row {
    /// The stage, by its module's key.
    pub stage: String,
    /// How far it is from the reference.
    pub difference: Difference,
    /// How far it may be, in relative L2.
    pub tolerance: f64,
}

impl Row {
    /// Whether the stage is near enough.
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
    /// The first stage that is too far from the reference.
    #[must_use]
    pub fn first_divergence(&self) -> Option<&Row> {
        self.rows.iter().find(|row| !row.holds())
    }
}

/// How far a stage of an f32 tower may be from the f32 reference, in relative L2: rounding, and no more.
pub const F32_TOLERANCE: f64 = 5e-6;
/// How far a 16-bit tower's embeddings may be from the f32 reference, as a multiple of how far the reference's own
/// 16-bit embeddings are. Not 1: burn rounds a product before it adds the bias, where torch rounds once after it, and on
/// as few as seven tokens chance decides the rest (measured: 0.77 to 1.25).
const REDUCED_FACTOR: f64 = 1.4;
/// The same in bf16 on flex, where our own kernels round the operands of products and nothing else (measured: 0.49 to
/// 0.73).
const HOST_BF16_FACTOR: f64 = 0.9;

/// Preprocesses and encodes the case with `encoder`, which is of its checkpoint and computes in `dtype`, and compares every
/// stage with the reference. The tower is fed the reference's own pixel values, so that its stages are compared on their
/// own.
///
/// # Errors
/// If the case cannot be encoded, or the stages are not those of the reference.
pub fn compare(
    golden: &Golden,
    encoder: &VisionEncoder,
    dtype: FloatDType,
    f32_tolerance: f64,
) -> Result<Comparison> {
    let Batch { patches, sampled } = Batch::new(&golden.inputs, encoder.processor())?;
    let expected = &golden.expected;
    ensure!(
        sampled == expected.sampled,
        "{}: other frames are taken: {sampled:?}, expected {:?}",
        golden.name,
        expected.sampled
    );
    ensure!(
        patches.grids() == expected.grids,
        "{}: grids differ: {:?}, expected {:?}",
        golden.name,
        patches.grids(),
        expected.grids
    );
    let mut rows = vec![pixel_values(golden, &patches)?];

    let reference = reference_patches(golden, patches.row_len())?;
    let factor = match dtype {
        FloatDType::BF16 if encoder.model().arithmetic().is_on_host() => HOST_BF16_FACTOR,
        _ => REDUCED_FACTOR,
    };
    let mut found = Vec::new();
    // The values are read at once: burn's data are lazy on a GPU, and a later operation may reuse their buffer.
    let mut observe = |stage: Stage, x: Tensor<2>| {
        found.push((stage, x.into_data().iter().collect::<Vec<f32>>()));
    };
    encoder.encode_observed(&reference, Some(&mut observe))?;
    for (name, values) in found {
        rows.push(Row {
            difference: Difference::new(&values, stage(golden, &name.to_string())?),
            stage: name.to_string(),
            tolerance: match own_stage(dtype) {
                Some(own) => reduced_tolerance(name, golden, own, factor)?,
                None => f32_tolerance,
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

/// Seconds that the tower takes for the case, values read back, in each of `repeat` runs after a first one.
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
        let embeddings = encoder.encode(&patches)?.embeddings.into_data();
        ensure!(
            embeddings.iter::<f32>().all(f32::is_finite),
            "not all values are finite"
        );
        Ok(start.elapsed().as_secs_f64())
    };
    run()?;
    (0..repeat).map(|_| run()).collect()
}

/// How a device attends, by its name on a command line; `None` for `auto`.
///
/// # Errors
/// If there is no such name.
pub fn attention(name: &str) -> Result<Option<AttentionMethod>> {
    match name {
        "auto" => Ok(None),
        "backend" => Ok(Some(AttentionMethod::Backend)),
        "plain" => Ok(Some(AttentionMethod::Plain)),
        _ => bail!("expected auto, backend or plain, found {name}"),
    }
}

/// The reference's own pixel values as a batch of rows of `width` values.
///
/// # Errors
/// If they are not such.
pub fn reference_patches(golden: &Golden, width: usize) -> Result<Patches> {
    let values = stage(golden, "pixel_values")?.to_vec();
    let rows = values.len() / width;
    let values = ndarray::Array2::from_shape_vec((rows, width), values)?;
    Ok(Patches::new(values, golden.expected.grids.clone())?)
}

/// The reference's embeddings computed in `dtype` itself, among the stages of a golden; none for f32.
#[must_use]
pub fn own_stage(dtype: FloatDType) -> Option<&'static str> {
    match dtype {
        FloatDType::F16 => Some("merger_f16"),
        FloatDType::BF16 => Some("merger_bf16"),
        _ => None,
    }
}

/// In 16 bits only the embeddings are judged, and by the reference's own, the stage `own`, where it has them.
fn reduced_tolerance(stage: Stage, golden: &Golden, own: &str, factor: f64) -> Result<f64> {
    Ok(match (stage, golden.expected.stages.get(own)) {
        (Stage::Merger, Some(own)) => {
            factor * Difference::new(own, self::stage(golden, "merger")?).relative_l2
        }
        _ => f64::INFINITY,
    })
}

fn pixel_values(golden: &Golden, patches: &Patches) -> Result<Row> {
    let found: Vec<f32> = patches.pixel_values().iter().copied().collect();
    let difference = Difference::new(&found, stage(golden, "pixel_values")?);
    // Of pixels the largest difference counts, not the mean.
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
