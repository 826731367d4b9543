//! The packed parameters as buffers of bytes, which can be stored and later be used in place.

use glm4v_kernels::{PackedGate, PackedParts, PackedWeight, Precision, SharedBytes, packed_layout};

use super::builder::{CpuBuilder, IMAGE_KERNEL, IMAGE_PRECISION, PATCH_KERNEL, Role};
use super::precisions;
use crate::activation;

/// Ends the names of factors ([`PackedParts::factors`]).
const FACTORS: &str = "/factors";
/// Ends the names of gates: `gate_proj` and `up_proj` of a module are packed together.
const GATE_UP: &str = ".gate_up";

impl CpuBuilder {
    /// The names of the layouts in which this processor packs the weights of a tower.
    #[must_use]
    pub fn layouts(precision: Precision) -> String {
        let layouts = precisions::of_weights(precision).iter();
        let layouts: Vec<_> = layouts.map(|precision| packed_layout(*precision)).collect();
        layouts.join("\n")
    }

    /// The buffers of all parameters that were added, as they are packed, sorted by name. [`CpuBuilder::add_buffers`] takes them.
    #[must_use]
    pub fn buffers(&self) -> Vec<(String, &[u8])> {
        let vectors = self.parameters.vectors.iter();
        let mut buffers: Vec<(String, &[u8])> = vectors
            .map(|(key, values)| (key.clone(), bytemuck::cast_slice(values)))
            .collect();
        let weights = self.parameters.weights.iter();
        let weights = weights.map(|(key, weight)| (key.clone(), weight.parts()));
        let gates = self.gates.iter();
        let gates = gates.map(|(module, gate)| (format!("{module}{GATE_UP}"), gate.parts()));
        for (name, PackedParts { panels, factors }) in weights.chain(gates) {
            if !factors.is_empty() {
                buffers.push((format!("{name}{FACTORS}"), bytemuck::cast_slice(factors)));
            }
            buffers.push((name, panels));
        }
        buffers.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        buffers
    }

    /// Adds all parameters of the tower, from the buffers of a builder with the same configuration and precision, and the same
    /// [layouts](CpuBuilder::layouts). Packed weights stay where they are. Returns whether all buffers have the right lengths. If
    /// not, the builder cannot be used.
    #[must_use]
    pub fn add_buffers(&mut self, buffer: impl Fn(&str) -> Option<SharedBytes>) -> bool {
        let parameters = self.parameters.config.parameters();
        parameters
            .iter()
            .all(|parameter| self.add_buffer(&parameter.key, &buffer).is_some())
    }

    fn add_buffer(
        &mut self,
        key: &str,
        buffer: &impl Fn(&str) -> Option<SharedBytes>,
    ) -> Option<()> {
        let shape = self.parameters.matrix(key);
        match self.role(key) {
            Role::Vector => {
                let values = values(&buffer(key)?);
                (values.len() == shape[0] * shape[1]).then_some(())?;
                self.parameters.vectors.insert(key.to_owned(), values);
            }
            Role::Gate(module) => {
                let (panels, factors) = parts(&format!("{module}{GATE_UP}"), buffer)?;
                let (precision, act) = (
                    self.gate_precision(module),
                    activation::kernel(self.parameters.config.hidden_act),
                );
                let gate = PackedGate::from_parts(panels, factors, shape, precision, act)?;
                self.gates.insert(module.to_owned(), gate);
            }
            // It came with its gate.
            Role::Up(_) => {}
            Role::Weight => {
                if key == PATCH_KERNEL
                    && let Some(shape) = self.image_kernel_shape()
                {
                    self.add_weight(IMAGE_KERNEL, shape, IMAGE_PRECISION, buffer)?;
                }
                let precision = precisions::of_weight(key, self.precision);
                self.add_weight(key, shape, precision, buffer)?;
            }
        }
        Some(())
    }

    fn add_weight(
        &mut self,
        name: &str,
        shape: [usize; 2],
        precision: Precision,
        buffer: &impl Fn(&str) -> Option<SharedBytes>,
    ) -> Option<()> {
        let (panels, factors) = parts(name, buffer)?;
        let weight = PackedWeight::from_parts(panels, factors, shape, precision)?;
        self.parameters.weights.insert(name.to_owned(), weight);
        Some(())
    }
}

fn parts(
    name: &str,
    buffer: &impl Fn(&str) -> Option<SharedBytes>,
) -> Option<(SharedBytes, Vec<f32>)> {
    let factors = buffer(&format!("{name}{FACTORS}"));
    let factors = factors.map(|factors| values(&factors));
    Some((buffer(name)?, factors.unwrap_or_default()))
}

fn values(bytes: &SharedBytes) -> Vec<f32> {
    let (values, _) = bytes.as_slice().as_chunks();
    values
        .iter()
        .map(|value| f32::from_ne_bytes(*value))
        .collect()
}
