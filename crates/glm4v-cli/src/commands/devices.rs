use anyhow::Result;
use glm4v::{Backend, DeviceInfo, DeviceKind, DeviceSpec};
use serde_json::{Value, json};

use crate::console::{Console, Report};
use crate::layout;

/// The devices there are, and the backends that could find more.
pub(crate) fn run(console: &Console) -> Result<()> {
    let devices = {
        let _spinner = console.progress("looking for devices", None);
        glm4v::devices()
    };
    let auto = devices.first().map(|device| device.spec.to_string());
    let (built_in, others): (Vec<Backend>, Vec<Backend>) = Backend::ALL
        .into_iter()
        .partition(|backend| backend.is_compiled());
    let found = |backend: &&Backend| {
        devices
            .iter()
            .any(|device| device.spec.backend == Some(**backend))
    };
    let idle: Vec<(Backend, String)> = built_in
        .iter()
        .filter(|backend| !found(backend))
        .filter_map(|&backend| Some((backend, DeviceSpec::from(backend).find().err()?.to_string())))
        .collect();

    let mut text = devices_table(&devices);
    text += &format!(
        "\nauto chooses {}\n",
        auto.as_deref().unwrap_or("nothing: no backend is built in")
    );
    text += &format!("\nbackends built in: {}\n", names(&built_in));
    for (_, reason) in &idle {
        text += &format!("  {reason}\n");
    }
    if !others.is_empty() {
        text += "\nbackends not built in:\n";
        let row = |backend: &Backend| {
            [
                format!("  {backend}"),
                format!("build with --features {backend}"),
            ]
        };
        text += &layout::table(&others.iter().map(row).collect::<Vec<_>>());
    }
    console.report(&Report {
        text,
        json: json!({
            "devices": devices.iter().map(device_json).collect::<Vec<_>>(),
            "auto": auto,
            "built_in": built_in.iter().map(|backend| backend.name()).collect::<Vec<_>>(),
            "without_device": idle.iter().map(|(backend, reason)| json!({"backend": backend.name(), "reason": reason})).collect::<Vec<_>>(),
            "not_built_in": others.iter().map(|backend| backend.name()).collect::<Vec<_>>(),
        }),
    })
}

fn devices_table(devices: &[DeviceInfo]) -> String {
    let mut rows = vec![["device", "kind", "name"].map(str::to_owned)];
    rows.extend(devices.iter().map(|device| {
        [
            device.spec.to_string(),
            kind(device).to_owned(),
            device.name.clone(),
        ]
    }));
    layout::table(&rows)
}

fn device_json(device: &DeviceInfo) -> Value {
    json!({"spec": device.spec.to_string(), "kind": kind(device), "name": device.name})
}

fn kind(device: &DeviceInfo) -> &'static str {
    match device.kind {
        DeviceKind::Gpu => "gpu",
        DeviceKind::Cpu => "cpu",
        DeviceKind::SoftwareGpu => "software gpu",
    }
}

fn names(backends: &[Backend]) -> String {
    let names: Vec<&str> = backends.iter().map(|backend| backend.name()).collect();
    names.join(", ")
}
