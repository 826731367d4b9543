use anyhow::Result;
use clap::Args;
use glm4v::hub::{Hub, ModelId};
use serde_json::json;

use crate::args::RevisionArgs;
use crate::console::Console;
use crate::download::Download;
use crate::stages::Stages;
use crate::table;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FetchArgs {
    /// Model on the hub, as owner/name
    #[arg(value_name = "NAME")]
    model: String,
    #[command(flatten)]
    revision: RevisionArgs,
}

const EXAMPLES: &str = "\
Only the weights of the vision tower are downloaded: 1.8 GB of the 20 GB of GLM-4.1V. They are stored as one safetensors
file, beside config.json and the preprocessor files. An interrupted download resumes at the next call. A model in the
cache of Hugging Face's programs is used from there and not downloaded again.

Environment variables work as in Hugging Face's programs: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.
GLM4V_CACHE is the directory of the downloaded towers, and of packed weights.

Examples:
  glm4v fetch zai-org/GLM-4.1V-9B-Thinking
  HF_TOKEN=hf_… glm4v fetch me/my-private-glm --revision v2";

/// Downloads a model's vision tower into the cache.
pub(crate) fn run(args: &FetchArgs, console: &Console) -> Result<()> {
    let model: ModelId = args.model.parse()?;
    let hub = Hub::from_env()?.offline(args.revision.offline);
    let mut stages = Stages::default();
    let download = Download::new(console);
    let dir = stages.time("fetch", || {
        hub.fetch(&model, args.revision.revision.as_deref(), &download)
    })?;
    let fetched = download.finish();
    let text = table::pairs(&[
        ("model", model.to_string()),
        ("directory", dir.display().to_string()),
        ("downloaded", table::bytes(fetched)),
        ("time", stages.to_string()),
    ]);
    let json = json!({
        "model": model.to_string(),
        "directory": dir.to_string_lossy(),
        "fetched_bytes": fetched,
        "seconds": stages.json(),
    });
    console.report(&text, &json)
}
