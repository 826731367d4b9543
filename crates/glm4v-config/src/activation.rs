use serde::{Deserialize, Serialize};

/// The activation of the gated MLPs (`hidden_act`). JSON has its name in transformers' `ACT2FN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// x · sigmoid(x)
    #[default]
    #[serde(alias = "swish")]
    Silu,
    /// x · Φ(x), exact (erf)
    Gelu,
    /// The tanh approximation of GELU
    #[serde(alias = "gelu_new")]
    GeluPytorchTanh,
    /// x · sigmoid(1.702 x)
    QuickGelu,
    /// max(x, 0)
    Relu,
}
