use anyhow::{Result, bail};
use glm4v::model::AttentionMethod;
use glm4v::{Device, DeviceSpec, LoadOptions, Preset, VisionEncoder};

/// The device of a backend. Prints the reason and gives `None` if this machine has none.
///
/// # Panics
/// If there is no such backend.
#[must_use]
pub fn open_device(backend: &str) -> Option<Device> {
    let spec: DeviceSpec = backend.parse().expect("the name of a backend");
    match spec.open() {
        Ok(device) => Some(device),
        Err(error) => {
            eprintln!("SKIPPED {backend}: {error}");
            None
        }
    }
}

/// Options that load onto a backend in f32. If it has no device here, prints the reason and gives `None`.
///
/// # Panics
/// If there is no such backend.
#[must_use]
pub fn load_options(backend: &str) -> Option<LoadOptions> {
    open_device(backend)?;
    let device = backend.parse().expect("the name of a backend");
    Some(LoadOptions {
        device,
        ..LoadOptions::default()
    })
}

/// The preset `tiny` with the random weights of seed 1, in f32 on a backend. If it has no device here, prints the reason
/// and gives `None`.
///
/// # Panics
/// If there is no such backend, or the encoder cannot be built.
#[must_use]
pub fn tiny_encoder(backend: &str) -> Option<VisionEncoder> {
    let options = load_options(backend)?;
    let encoder = VisionEncoder::random(Preset::Tiny, 1, &options);
    Some(encoder.expect("a preset fits any device"))
}

/// A method of attention by its name on the command line. `None` stands for `auto`.
///
/// # Errors
/// If there is no such name.
pub fn attention(name: &str) -> Result<Option<AttentionMethod>> {
    match name {
        "auto" => Ok(None),
        "backend" => Ok(Some(AttentionMethod::Backend)),
        "eager" => Ok(Some(AttentionMethod::Eager)),
        _ => bail!("expected auto, backend or eager, found {name}"),
    }
}
