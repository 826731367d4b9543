use std::collections::BTreeMap;

use glm4v_config::{Parameter, VisionConfig};

use crate::names::is_vision;
use crate::{Format, GgufError, Header, TensorInfo, stored_as};

/// A parameter of the tower, and the tensors that store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The key and the shape of the parameter.
    pub parameter: Parameter,
    /// The tensors with their formats: one, or one for each frame ([`stored_as`]).
    pub tensors: Vec<(&'a TensorInfo, Format)>,
}

/// The vision tensors of a file, compared with the parameters of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// Parameters whose tensors match, in the order of [`VisionConfig::parameters`].
    pub stored: Vec<Stored<'a>>,
    /// Tensors with another shape or an unsupported type, and the expected shape.
    pub mismatched: Vec<(&'a TensorInfo, Vec<usize>)>,
    /// Names of missing tensors.
    pub missing: Vec<String>,
    /// Vision tensors that the tower does not have.
    pub left_over: Vec<&'a TensorInfo>,
    /// Number of tensors that are not of the vision tower.
    pub others: usize,
}

impl<'a> Comparison<'a> {
    /// Compares the tensors of `header` with the tower of `config`.
    #[must_use]
    pub fn new(header: &'a Header, config: &VisionConfig) -> Self {
        let vision = header
            .tensors
            .iter()
            .filter(|tensor| is_vision(&tensor.name));
        let mut found: BTreeMap<&str, &TensorInfo> =
            vision.map(|tensor| (&tensor.name[..], tensor)).collect();
        let mut comparison = Self {
            stored: Vec::new(),
            mismatched: Vec::new(),
            missing: Vec::new(),
            left_over: Vec::new(),
            others: header.tensors.len() - found.len(),
        };
        for parameter in config.parameters() {
            let expected = stored_as(&parameter);
            let count = expected.len();
            let mut tensors = Vec::new();
            for expected in expected {
                let Some(tensor) = found.remove(&expected.name[..]) else {
                    comparison.missing.push(expected.name);
                    continue;
                };
                match Format::of(tensor.tensor_type) {
                    Some(format) if tensor.shape == expected.shape => {
                        tensors.push((tensor, format))
                    }
                    Some(_) | None => comparison.mismatched.push((tensor, expected.shape)),
                }
            }
            if tensors.len() == count {
                comparison.stored.push(Stored { parameter, tensors });
            }
        }
        comparison.left_over = found.into_values().collect();
        comparison
    }

    /// All parameters of the tower, in the order of [`VisionConfig::parameters`]. The file is called `file` in errors.
    ///
    /// # Errors
    /// [`GgufError`] for the first tensor that has the wrong shape or type, is missing, or is left over.
    pub fn complete(self, file: &str) -> Result<Vec<Stored<'a>>, GgufError> {
        let file = file.to_owned();
        if let Some((tensor, expected)) = self.mismatched.into_iter().next() {
            let (name, found) = (tensor.name.clone(), tensor.shape.clone());
            return Err(match found == expected {
                true => GgufError::Type {
                    file,
                    name,
                    found: tensor.tensor_type.name,
                },
                false => GgufError::Shape {
                    file,
                    name,
                    expected,
                    found,
                },
            });
        }
        if let Some(name) = self.missing.first().cloned() {
            let count = self.missing.len();
            return Err(GgufError::Missing { file, name, count });
        }
        match self.left_over.first() {
            None => Ok(self.stored),
            Some(tensor) => Err(GgufError::LeftOver {
                file,
                name: tensor.name.clone(),
                count: self.left_over.len(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use glm4v_config::Preset;

    use super::*;
    use crate::TensorType;

    /// The header of a file that has all tensors of a tower in F32.
    fn header(config: &VisionConfig) -> Header {
        let parameters = config.parameters();
        let tensors = parameters.iter().flat_map(stored_as);
        let info = |tensor: crate::TowerTensor| TensorInfo {
            name: tensor.name,
            bytes: 4 * tensor.shape.iter().product::<usize>() as u64,
            shape: tensor.shape,
            tensor_type: TensorType::of_id(0).unwrap(),
            start: 0,
        };
        Header {
            metadata: Vec::new(),
            tensors: tensors.map(info).collect(),
        }
    }

    #[test]
    fn every_parameter_is_found() {
        let config = Preset::Tiny.vision();
        let mut header = header(&config);
        header.tensors.reverse();
        let mut other = header.tensors[0].clone();
        other.name = "a.blk.0.ln1.weight".to_owned();
        header.tensors.push(other);
        let comparison = Comparison::new(&header, &config);
        assert_eq!(comparison.others, 1);
        let stored = comparison.complete("file").unwrap();
        let parameters: Vec<Parameter> =
            stored.into_iter().map(|stored| stored.parameter).collect();
        assert_eq!(parameters, config.parameters());
    }

    #[test]
    fn the_first_fault_is_named() {
        let config = Preset::Tiny.vision();
        let refused = |change: fn(&mut Vec<TensorInfo>)| {
            let mut header = header(&config);
            change(&mut header.tensors);
            let error = Comparison::new(&header, &config)
                .complete("x.gguf")
                .unwrap_err();
            error.to_string()
        };
        for (message, parts) in [
            (
                refused(|tensors| drop(tensors.remove(1))),
                ["x.gguf", "`v.patch_embd.weight.1` is missing (1 missing"],
            ),
            (
                refused(|tensors| tensors[2].shape = vec![127]),
                ["`v.patch_embd.bias`", "expected shape [128], found [127]"],
            ),
            (
                refused(|tensors| tensors[6].tensor_type = TensorType::of_id(12).unwrap()),
                ["`v.blk.0.attn_qkv.weight`", "found Q4_K"],
            ),
            (
                refused(|tensors| {
                    let mut more = tensors[0].clone();
                    more.name = "v.blk.1.ln1.weight".to_owned();
                    tensors.push(more);
                }),
                ["`v.blk.1.ln1.weight` is left over", "(1 left over"],
            ),
        ] {
            for part in parts {
                assert!(message.contains(part), "{part}: {message}");
            }
        }
    }
}
