use anyhow::Result;
use glm4v::hub::{Hub, ModelId};
use serde_json::json;

use crate::args::FetchArgs;
use crate::console::{Console, Report};
use crate::download::Download;
use crate::layout;
use crate::stages::Stages;

/// A model's name to its vision tower in the cache.
pub(crate) fn run(args: &FetchArgs, console: &Console) -> Result<()> {
    let model: ModelId = args.model.parse()?;
    let hub = Hub::from_env()?.offline(args.revision.offline);
    let mut stages = Stages::default();
    let download = Download::new(console);
    let dir = stages.time("fetch", || {
        hub.fetch(&model, args.revision.revision.as_deref(), &download)
    })?;
    let fetched = download.fetched();
    drop(download);
    let text = layout::pairs(&[
        ("model", model.to_string()),
        ("directory", dir.display().to_string()),
        ("fetched", layout::bytes(fetched)),
        ("time", stages.to_string()),
    ]);
    console.report(&Report {
        text,
        json: json!({
            "model": model.to_string(),
            "directory": dir.to_string_lossy(),
            "fetched_bytes": fetched,
            "seconds": stages.json(),
        }),
    })
}
