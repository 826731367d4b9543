use anyhow::Result;
use glm4v::DeviceSpec;
use glm4v::devices::{Backend, DeviceInfo, DeviceKind, devices};
use glm4v::model::Amx;
use serde_json::{Value, json};

use crate::console::Console;
use crate::table::Table;

/// Lists the devices of this machine, and the backends of this program.
pub(crate) fn run(console: &Console) -> Result<()> {
    let (devices, auto, reasons) = {
        let _spinner = console.progress("looking for devices", None);
        let (devices, auto) = (devices(), DeviceSpec::default().find().ok());
        let reasons = reasons(&devices);
        (devices, auto.map(|device| device.spec.to_string()), reasons)
    };
    let names = |built_in: bool| -> Vec<&str> {
        let backends = Backend::ALL.iter();
        let backends = backends.filter(|backend| backend.is_compiled() == built_in);
        backends.map(|backend| backend.name()).collect()
    };
    let (built_in, not_built_in) = (names(true), names(false));

    let mut table = Table::default();
    table.row(&[&"device", &"kind", &"name"]);
    for device in &devices {
        table.row(&[&device.spec, &kind(device), &device.name]);
    }
    let chosen = auto.as_deref().unwrap_or("nothing: no device works");
    let mut text = table.to_string();
    text += &format!("\nauto chooses {chosen}\n\n");
    // Packages for other processors cannot have it, and it needs no line there.
    let amx = cfg!(target_arch = "x86_64").then(|| Amx::status().to_string());
    if let Some(amx) = &amx {
        text += &format!("on the CPU, {amx}\n\n");
    }
    text += &format!("backends in this program: {}\n", built_in.join(", "));
    for (_, reason) in &reasons {
        text += &format!("  {reason}\n");
    }
    if !not_built_in.is_empty() {
        let mut table = Table::default();
        for name in &not_built_in {
            let advice = format!("build with --features {name}");
            table.row(&[&format!("  {name}"), &advice]);
        }
        text += &format!("\nbackends that are not in this program:\n{table}");
    }
    let device = |device: &DeviceInfo| json!({"spec": device.spec.to_string(), "kind": kind(device), "name": device.name});
    let reason = |(backend, reason): &(&str, String)| json!({"backend": backend, "reason": reason});
    let json = json!({
        "devices": devices.iter().map(device).collect::<Value>(),
        "auto": auto,
        "amx": amx,
        "built_in": built_in,
        "without_device": reasons.iter().map(reason).collect::<Value>(),
        "not_built_in": not_built_in,
    });
    console.report(&text, &json)
}

/// Why backends that are built in have no device.
fn reasons(devices: &[DeviceInfo]) -> Vec<(&'static str, String)> {
    let reason = |backend: Backend| {
        let has_device = |device: &DeviceInfo| device.spec.backend == Some(backend);
        if devices.iter().any(has_device) {
            return None;
        }
        let error = DeviceSpec::from(backend).find().err()?;
        Some((backend.name(), error.to_string()))
    };
    Backend::compiled().into_iter().filter_map(reason).collect()
}

fn kind(device: &DeviceInfo) -> &'static str {
    match device.kind {
        DeviceKind::Gpu => "gpu",
        DeviceKind::Cpu => "cpu",
        DeviceKind::SoftwareGpu => "software gpu",
    }
}
