use burn::Tensor;
use burn::module::Param;

use crate::HostWeight;

/// Where a tower's parameters come from: a checkpoint, a generator, tensors already on a device. Each is asked for once,
/// by one of the three methods that give it.
pub trait ParameterSource {
    /// Why a parameter cannot be had.
    type Error;

    /// The parameter called `key`, a key of [`glm4v_config::VisionConfig::parameters`], in the shape given there.
    ///
    /// # Errors
    /// Whatever keeps the source from giving it; building the model stops there.
    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, Self::Error>;

    /// The parameter called `key` in parts of whole rows, one below the other: one part, unless the device cannot bind
    /// all of it at once.
    ///
    /// # Errors
    /// As [`ParameterSource::tensor`].
    fn parts<const D: usize>(&mut self, key: &str) -> Result<Vec<Tensor<D>>, Self::Error> {
        Ok(vec![self.tensor(key)?])
    }

    /// Whether the tower runs on the host, by kernels of our own, rather than on the device. Then all tensors must be of
    /// f32, and on a device whose memory is the host's.
    fn is_on_host(&self) -> bool {
        false
    }

    /// The weight called `key`, to be multiplied with on the host, if the tower runs there.
    ///
    /// # Errors
    /// As [`ParameterSource::tensor`].
    fn host_weight(&mut self, key: &str) -> Result<Option<HostWeight>, Self::Error> {
        let _ = key;
        Ok(None)
    }
}

/// A source seen from one module: the keys below `prefix`.
pub(crate) struct Scope<'a, S> {
    source: &'a mut S,
    prefix: String,
}

impl<'a, S: ParameterSource> Scope<'a, S> {
    pub(crate) fn root(source: &'a mut S) -> Self {
        let prefix = String::new();
        Self { source, prefix }
    }

    pub(crate) fn child(&mut self, name: &str) -> Scope<'_, S> {
        Scope {
            prefix: format!("{}{name}.", self.prefix),
            source: self.source,
        }
    }

    pub(crate) fn param<const D: usize>(
        &mut self,
        name: &str,
    ) -> Result<Param<Tensor<D>>, S::Error> {
        self.tensor(name).map(Param::from_tensor)
    }

    pub(crate) fn tensor<const D: usize>(&mut self, name: &str) -> Result<Tensor<D>, S::Error> {
        self.source.tensor(&format!("{}{name}", self.prefix))
    }

    pub(crate) fn parts<const D: usize>(&mut self, name: &str) -> Result<Vec<Tensor<D>>, S::Error> {
        self.source.parts(&format!("{}{name}", self.prefix))
    }

    pub(crate) fn is_on_host(&self) -> bool {
        self.source.is_on_host()
    }

    pub(crate) fn host_weight(&mut self, name: &str) -> Result<Option<HostWeight>, S::Error> {
        self.source.host_weight(&format!("{}{name}", self.prefix))
    }
}
