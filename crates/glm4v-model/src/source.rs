use burn::Tensor;
use burn::module::Param;

/// Where a tower's parameters come from: a checkpoint, a generator, tensors already on a device.
pub trait ParameterSource {
    /// Why a parameter cannot be had.
    type Error;

    /// The parameter called `key`, a key of [`glm4v_config::VisionConfig::parameters`], in the shape given there.
    ///
    /// # Errors
    /// Whatever keeps the source from giving it; building the model stops there.
    fn tensor<const D: usize>(&mut self, key: &str) -> Result<Tensor<D>, Self::Error>;
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
}
