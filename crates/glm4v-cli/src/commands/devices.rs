use anyhow::Result;
use glm4v::{Backend, DeviceInfo, DeviceKind, DeviceSpec};
use serde_json::{Value, json};

use crate::console::{Console, Report};
use crate::layout;

/// The devices there are, and the backends that could find more.
struct Findings {
    devices: Vec<DeviceInfo>,
    built_in: Vec<Backend>,
    /// Backends that are built in and find no device, and why.
    idle: Vec<(Backend, String)>,
    not_built_in: Vec<Backend>,
}

/// Lists what there is.
pub(crate) fn run(console: &Console) -> Result<()> {
    let findings = {
        let _spinner = console.progress("looking for devices", None);
        Findings::new()
    };
    console.report(&Report {
        text: findings.text(),
        json: findings.json(),
    })
}

impl Findings {
    fn new() -> Self {
        let devices = glm4v::devices();
        let (built_in, not_built_in): (Vec<Backend>, Vec<Backend>) = Backend::ALL
            .into_iter()
            .partition(|backend| backend.is_compiled());
        let has_device = |&backend: &Backend| {
            let mut backends = devices.iter().map(|device| device.spec.backend);
            backends.any(|other| other == Some(backend))
        };
        let reason = |backend| {
            let reason = DeviceSpec::from(backend).find().err()?;
            Some((backend, reason.to_string()))
        };
        let without = built_in.iter().copied().filter(|one| !has_device(one));
        Self {
            idle: without.filter_map(reason).collect(),
            devices,
            built_in,
            not_built_in,
        }
    }

    fn auto(&self) -> Option<String> {
        let device = DeviceSpec::default().find().ok()?;
        Some(device.spec.to_string())
    }

    fn text(&self) -> String {
        let auto = self.auto();
        let auto = auto.as_deref().unwrap_or("nothing: there is no device");
        let mut text = format!("{}\nauto chooses {auto}\n", devices_table(&self.devices));
        text += &format!(
            "\nbackends built in: {}\n",
            names(&self.built_in).join(", ")
        );
        for (_, reason) in &self.idle {
            text += &format!("  {reason}\n");
        }
        if !self.not_built_in.is_empty() {
            let row = |name: &&str| [format!("  {name}"), format!("build with --features {name}")];
            let rows: Vec<[String; 2]> = names(&self.not_built_in).iter().map(row).collect();
            text += &format!("\nbackends not built in:\n{}", layout::table(&rows));
        }
        text
    }

    fn json(&self) -> Value {
        let idle = self.idle.iter();
        let idle =
            idle.map(|(backend, reason)| json!({"backend": backend.name(), "reason": reason}));
        json!({
            "devices": self.devices.iter().map(device_json).collect::<Value>(),
            "auto": self.auto(),
            "built_in": names(&self.built_in),
            "without_device": idle.collect::<Value>(),
            "not_built_in": names(&self.not_built_in),
        })
    }
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

fn names(backends: &[Backend]) -> Vec<&'static str> {
    backends.iter().map(|backend| backend.name()).collect()
}
