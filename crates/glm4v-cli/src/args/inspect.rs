use clap::Args;

use super::RevisionArgs;

/// Of `inspect`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Checkpoint directory, or the name of a model on the Hugging Face hub, as owner/name
    #[arg(value_name = "DIR|NAME")]
    pub(crate) model: String,
    /// Of a model by name, which version.
    #[command(flatten)]
    pub(crate) revision: RevisionArgs,
}

const EXAMPLES: &str = "\
Only headers are read, so this is quick for any size. Exit status 1 means that `encode -m DIR` would refuse it.

Examples:
  glm4v inspect GLM-4.1V-9B-Thinking
  glm4v inspect GLM-4.1V-9B-Thinking --json | jq .weights.parameters";
