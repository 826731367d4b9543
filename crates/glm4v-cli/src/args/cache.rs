use clap::{Args, Subcommand};

/// Of `cache`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArgs {
    /// What to do; without it, list
    #[command(subcommand)]
    pub(crate) command: Option<CacheCommand>,
}

/// What can be done with the cache.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List the vision towers that have been fetched, and what they take
    List,
    /// Remove a model's vision tower
    Remove {
        /// Model, as owner/name
        #[arg(value_name = "NAME")]
        model: String,
        /// One branch, tag or commit of it, not all
        #[arg(long)]
        revision: Option<String>,
    },
}

const EXAMPLES: &str = "\
Only glm4v's own cache is listed and removed from; that of Hugging Face's programs is left alone (`hf cache` shows it).

Examples:
  glm4v cache
  glm4v cache remove zai-org/GLM-4.1V-9B-Thinking";
