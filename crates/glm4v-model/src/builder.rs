use std::sync::Arc;

use burn::tensor::Device;
use glm4v_config::VisionConfig;

use crate::model::Tower;
use crate::{ComputeMode, CpuBuilder, DeviceBuilder, MissingParameter, VisionModel};

/// Collects the parameters of a tower in any order, and packs or places each one when it arrives.
///
/// The keys are those of [`VisionConfig::parameters`].
#[derive(Debug)]
pub enum TowerBuilder {
    /// Parameters are given as stored values and packed for the CPU's kernels.
    Cpu(CpuBuilder),
    /// Parameters are given as tensors on the device.
    Device(DeviceBuilder),
}

impl TowerBuilder {
    /// An empty builder for the tower of `config`. In [`ComputeMode::Cpu`] only the tower's inputs and outputs are on
    /// `device`, which must then be a CPU device.
    #[must_use]
    pub fn new(config: &VisionConfig, device: &Device, mode: ComputeMode) -> Self {
        match mode {
            ComputeMode::Cpu(precision) => Self::Cpu(CpuBuilder::new(config, device, precision)),
            ComputeMode::Device(dtype) => Self::Device(DeviceBuilder::new(config, device, dtype)),
        }
    }

    /// How the tower will compute.
    #[must_use]
    pub fn mode(&self) -> ComputeMode {
        match self {
            Self::Cpu(builder) => ComputeMode::Cpu(builder.precision),
            Self::Device(builder) => ComputeMode::Device(builder.dtype()),
        }
    }

    /// Builds the tower.
    ///
    /// # Errors
    /// [`MissingParameter`] if a parameter was not added.
    pub fn build(self) -> Result<VisionModel, MissingParameter> {
        let mode = self.mode();
        let (device, tower) = match self {
            Self::Cpu(builder) => {
                let device = builder.parameters.device.clone();
                (device, Tower::Cpu(Arc::new(builder.build()?)))
            }
            Self::Device(builder) => {
                let device = builder.device().clone();
                (device, Tower::Device(Box::new(builder.build()?)))
            }
        };
        Ok(VisionModel::new(device, mode, tower))
    }
}
