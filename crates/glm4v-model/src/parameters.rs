use std::collections::HashMap;

use burn::tensor::Device;
use glm4v_config::VisionConfig;

/// A parameter of the tower was never added to its [`TowerBuilder`](crate::TowerBuilder).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {key} is missing")]
pub struct MissingParameter {
    /// The key of the parameter
    pub key: String,
}

/// What a builder has received: vectors and weights, by key.
#[derive(Debug)]
pub(crate) struct Parameters<V, W> {
    pub(crate) config: VisionConfig,
    pub(crate) device: Device,
    shapes: HashMap<String, Vec<usize>>,
    pub(crate) vectors: HashMap<String, V>,
    pub(crate) weights: HashMap<String, W>,
}

impl<V, W> Parameters<V, W> {
    pub(crate) fn new(config: &VisionConfig, device: &Device) -> Self {
        let parameters = config.parameters().into_iter();
        Self {
            config: config.clone(),
            device: device.clone(),
            shapes: parameters.map(|p| (p.key, p.shape)).collect(),
            vectors: HashMap::new(),
            weights: HashMap::new(),
        }
    }

    /// The stored shape of `key`.
    ///
    /// # Panics
    /// If the tower has no such parameter.
    pub(crate) fn shape(&self, key: &str) -> &[usize] {
        let shape = self.shapes.get(key);
        shape.unwrap_or_else(|| panic!("the tower has no parameter {key}"))
    }

    /// The shape of `key` as a matrix: `[out_features, in_features]`.
    pub(crate) fn matrix(&self, key: &str) -> [usize; 2] {
        let shape = self.shape(key);
        [shape[0], shape[1..].iter().product()]
    }

    pub(crate) fn vector(&mut self, key: &str) -> Result<V, MissingParameter> {
        self.vectors.remove(key).ok_or_else(|| missing(key))
    }

    pub(crate) fn weight(&mut self, key: &str) -> Result<W, MissingParameter> {
        self.weights.remove(key).ok_or_else(|| missing(key))
    }

    /// The vector `key`, if the tower has such a parameter.
    pub(crate) fn optional_vector(&mut self, key: &str) -> Result<Option<V>, MissingParameter> {
        let exists = self.shapes.contains_key(key);
        exists.then(|| self.vector(key)).transpose()
    }

    /// The weight of a linear map, and its bias if it has one.
    pub(crate) fn linear(&mut self, module: &str) -> Result<(W, Option<V>), MissingParameter> {
        let weight = self.weight(&format!("{module}.weight"))?;
        Ok((weight, self.optional_vector(&format!("{module}.bias"))?))
    }
}

pub(crate) fn missing(key: &str) -> MissingParameter {
    let key = key.to_owned();
    MissingParameter { key }
}
