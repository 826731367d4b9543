//! What memory there is, and whether it is enough.

use anyhow::{Result, bail};
use glm4v::{DeviceInfo, Target, available_memory};

use crate::forecast::{Forecast, PROGRAM};
use crate::layout;

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// What `--max-memory` allows: of the device's memory, of a CPU the process's.
    pub(crate) allowed: Option<u64>,
    /// What this process may come to hold of the machine's.
    pub(crate) machine: Option<u64>,
}

impl Room {
    /// What the command line and the machine allow.
    pub(crate) fn new(allowed: Option<u64>) -> Self {
        Self {
            allowed,
            machine: available_memory(),
        }
    }

    /// The limit of the encoder: what there is of its device's memory, less what is not its own.
    pub(crate) fn of_encoder(self, target: Target) -> u64 {
        let room = match target.on_host {
            true => self.allowed.or(self.machine),
            false => self.allowed,
        };
        let others = if target.on_host { PROGRAM } else { 0 };
        room.map_or(u64::MAX, |bytes| bytes.saturating_sub(others))
    }

    /// Whether what is forecast fits.
    ///
    /// # Errors
    /// Where it does not; with both numbers.
    pub(crate) fn check(
        self,
        forecast: &Forecast,
        target: Target,
        device: &DeviceInfo,
    ) -> Result<()> {
        let weights = format!(
            "memory, {} of it for the weights",
            layout::bytes(forecast.most.weights)
        );
        let bounded = forecast.device.unwrap_or(forecast.host);
        if let Some(allowed) = self.allowed {
            fits(bounded, &weights, "--max-memory allows", allowed)?;
        }
        // What the system says is left is an estimate: whoever names a bound for the host knows better.
        let named = target.on_host && self.allowed.is_some();
        if let Some(left) = self.machine.filter(|_| !named) {
            // The weights on a GPU take none of it.
            let what = if target.on_host { &weights } else { "memory" };
            fits(forecast.host, what, "the machine has", left)?;
        }
        match target.max_buffer {
            None => Ok(()),
            Some(limit) => {
                let (spec, name) = (device.spec, &device.name);
                let has = format!("a buffer of {spec} ({name}) holds at most");
                fits(forecast.most.tensor, "one tensor", &has, limit)
            }
        }
    }
}

fn fits(bytes: u64, what: &str, has: &str, limit: u64) -> Result<()> {
    if bytes > limit {
        let (bytes, limit) = (layout::bytes(bytes), layout::bytes(limit));
        bail!("needs at least {bytes} of {what}, {has} {limit}");
    }
    Ok(())
}
