use clap::Args;

use super::RevisionArgs;

/// Of `fetch`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FetchArgs {
    /// Model on the hub, as owner/name
    #[arg(value_name = "NAME")]
    pub(crate) model: String,
    /// Which version of it
    #[command(flatten)]
    pub(crate) revision: RevisionArgs,
}

const EXAMPLES: &str = "\
Of the weights only the vision tower is fetched (1.8 GB of GLM-4.1V's 20), and kept as one safetensors file beside
config.json and the preprocessor files. A fetch that was interrupted goes on where it stopped. What is in the cache of
Hugging Face's own programs already is not fetched again.

The environment is read as Hugging Face's programs read it: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE,
HF_HUB_OFFLINE. GLM4V_CACHE is where the towers are kept.

Examples:
  glm4v fetch zai-org/GLM-4.1V-9B-Thinking
  HF_TOKEN=hf_… glm4v fetch me/my-private-glm --revision v2";
