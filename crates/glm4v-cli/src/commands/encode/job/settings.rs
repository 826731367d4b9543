use std::slice;

use anyhow::{Result, bail};
use glm4v::cached::Identity;
use glm4v::pipeline::Inputs;
use glm4v::plan::{BatchLimits, InputSize, MemoryBudget};
use glm4v::{EncodeOptions, GridThw, Plan};
use glm4v_store::{OutputDtype, Pool, Settings, ShardFormat, Split};
use serde_json::{Map, Value, json};

use super::super::EncodeArgs;
use crate::session::Session;

/// Everything that decides what the job writes.
pub(super) fn of(
    args: &EncodeArgs,
    session: &Session<'_>,
    identity: &Identity,
) -> Result<Settings> {
    let job = &args.job;
    let limits = limits(session)?;
    Ok(Settings {
        version: env!("CARGO_PKG_VERSION").into(),
        model: session.weights.to_string(),
        fingerprint: identity.fingerprint.clone(),
        width: session.config.out_hidden_size,
        dtype: identity.dtype.clone(),
        kernels: identity.kernels.clone(),
        device: session.devices.spec(),
        options: options(args, session)?.into_iter().collect(),
        batch_limits: [
            ("max_batch_patches".into(), limits.max_batch_patches.into()),
            ("max_patches".into(), limits.max_patches.into()),
            ("max_score_bytes".into(), limits.max_score_bytes.into()),
            (
                "max_memory".into(),
                session.compute.device.max_memory.into(),
            ),
        ]
        .into(),
        format: job.format.unwrap_or(ShardFormat::Parquet),
        output_dtype: job.output_dtype.unwrap_or(OutputDtype::F32),
        pool: job.pool.unwrap_or(Pool::None),
        shard_bytes: job.shard_size.unwrap_or(Settings::SHARD_BYTES),
        shard_inputs: Settings::SHARD_INPUTS,
        split: job.shard.unwrap_or(Split::WHOLE),
    })
}

fn options(args: &EncodeArgs, session: &Session<'_>) -> Result<Map<String, Value>> {
    let (processor, read) = (&session.processor, &session.read);
    let video = processor.video().ok().map(|video| video.config());
    let attention = args.compute.attention_method;
    let options = json!({
        "image_processor": serde_json::to_value(processor.config())?,
        "video_processor": serde_json::to_value(video)?,
        "source_fps": read.source_fps,
        "first_frame": read.first_frame_only,
        "exif": read.decode.apply_exif,
        "attention_method": format!("{attention:?}").to_lowercase(),
    });
    match options {
        Value::Object(options) => Ok(options),
        other => bail!("internal error: options in JSON are an object, not {other}"),
    }
}

/// The limits of a job's batches. They do not depend on the memory of the machine, which changes from one start to the next.
/// With `--max-memory` the inputs are read one by one.
pub(super) fn limits(session: &Session<'_>) -> Result<BatchLimits> {
    let device = &session.compute.device;
    let limits = BatchLimits::new(&session.target()?);
    Ok(BatchLimits {
        max_batch_patches: device.max_memory.map_or(limits.max_batch_patches, |_| 1),
        ..limits
    })
}

/// Checks that the smallest image fits into the memory, and the first batches without the inputs that do not fit alone. Such
/// inputs are recorded as failed when their turn comes.
pub(super) fn check_memory(inputs: &mut Inputs, session: &Session<'_>) -> Result<()> {
    let limits = inputs.limits();
    let mut sizes: Vec<InputSize> = inputs.look_ahead().flatten().map(InputSize::from).collect();
    let device = &session.compute.device;
    let (target, options) = (session.target()?, EncodeOptions::default());
    let budget = MemoryBudget::new(device.max_memory);
    let plan = |sizes: &[InputSize]| {
        Plan::within(&session.config, sizes, target, &options, limits, budget)
    };
    let side = session.config.spatial_merge_size;
    let smallest = InputSize::image(GridThw::new(1, side, side));
    plan(&[smallest]).map_err(|error| session.explain(error))?;
    sizes.retain(|size| plan(slice::from_ref(size)).is_ok());
    let fitting = plan(&sizes).map_err(|error| session.explain(error))?.limits;
    if fitting.max_batch_patches < limits.max_batch_patches {
        bail!(
            "the usual batches do not fit into the memory that is free now; give --max-memory, with which inputs are read \
             one by one, or free memory"
        );
    }
    Ok(())
}
