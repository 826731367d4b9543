use anyhow::Result;
use glm4v::hub::{Cached, Hub, ModelId};
use serde_json::{Value, json};

use crate::args::{CacheArgs, CacheCommand};
use crate::console::{Console, Report};
use crate::layout;

/// As many characters tell one commit from the others.
const SHORT_COMMIT: usize = 12;

/// What has been fetched.
pub(crate) fn run(args: CacheArgs, console: &Console) -> Result<()> {
    let hub = Hub::from_env()?;
    match args.command.unwrap_or(CacheCommand::List) {
        CacheCommand::List => list(&hub, console),
        CacheCommand::Remove { model, revision } => {
            let model: ModelId = model.parse()?;
            let freed = hub.remove(&model, revision.as_deref())?;
            console.report(&Report {
                text: format!("removed {model}, {}", layout::bytes(freed)),
                json: json!({"model": model.to_string(), "freed_bytes": freed}),
            })
        }
    }
}

fn list(hub: &Hub, console: &Console) -> Result<()> {
    let cached = hub.cached()?;
    let dir = hub.settings().cache.display().to_string();
    let total: u64 = cached.iter().map(|one| one.bytes).sum();
    let mut text = String::new();
    if !cached.is_empty() {
        let mut rows = vec![["model", "commit", "revisions", "size", ""].map(str::to_owned)];
        rows.extend(cached.iter().map(row));
        text = layout::table(&rows) + "\n";
    }
    text += &layout::pairs(&[
        ("directory", dir.clone()),
        (
            "total",
            format!(
                "{}, {}",
                layout::count(cached.len(), "tower"),
                layout::bytes(total)
            ),
        ),
    ]);
    console.report(&Report {
        text,
        json: json!({
            "directory": dir,
            "bytes": total,
            "towers": cached.iter().map(tower_json).collect::<Value>(),
        }),
    })
}

fn row(cached: &Cached) -> [String; 5] {
    let unfinished = "unfinished; fetch it again to go on";
    [
        cached.model.to_string(),
        cached.commit.chars().take(SHORT_COMMIT).collect(),
        cached.revisions.join(", "),
        layout::bytes(cached.bytes),
        (if cached.unfinished { unfinished } else { "" }).to_owned(),
    ]
}

fn tower_json(cached: &Cached) -> Value {
    json!({
        "model": cached.model.to_string(),
        "commit": cached.commit,
        "revisions": cached.revisions,
        "directory": cached.path.to_string_lossy(),
        "bytes": cached.bytes,
        "unfinished": cached.unfinished,
    })
}
