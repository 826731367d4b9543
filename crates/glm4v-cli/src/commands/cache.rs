use anyhow::Result;
use clap::{Args, Subcommand};
use glm4v::hub::{Cached, Hub, ModelId};
use serde_json::{Value, json};

use crate::console::Console;
use crate::table::{self, Table};

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: Option<CacheCommand>,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// List the downloaded vision towers and their sizes
    List,
    /// Remove the vision tower of a model
    Remove {
        /// Model on the hub, as owner/name
        #[arg(value_name = "NAME")]
        model: String,
        /// Remove only this branch, tag or commit
        #[arg(long)]
        revision: Option<String>,
    },
}

const EXAMPLES: &str = "\
This command works on glm4v's own cache only. It never changes the cache of Hugging Face's programs, which `hf cache`
lists.

Examples:
  glm4v cache
  glm4v cache remove zai-org/GLM-4.1V-9B-Thinking";

/// Characters of a commit that the table shows.
const SHORT_COMMIT: usize = 12;
const INCOMPLETE: &str = "incomplete; `glm4v fetch` resumes the download";

/// Lists the downloaded towers, or removes one.
pub(crate) fn run(args: CacheArgs, console: &Console) -> Result<()> {
    let hub = Hub::from_env()?;
    match args.command.unwrap_or(CacheCommand::List) {
        CacheCommand::List => list(&hub, console),
        CacheCommand::Remove { model, revision } => {
            let model: ModelId = model.parse()?;
            let freed = hub.remove(&model, revision.as_deref())?;
            let text = format!("removed {model}, {}", table::bytes(freed));
            let json = json!({"model": model.to_string(), "freed_bytes": freed});
            console.report(&text, &json)
        }
    }
}

fn list(hub: &Hub, console: &Console) -> Result<()> {
    let cached = hub.cached()?;
    let dir = hub.settings().cache.display().to_string();
    let total: u64 = cached.iter().map(|one| one.bytes).sum();
    let mut text = String::new();
    if !cached.is_empty() {
        let mut table = Table::default();
        table.row(&[&"model", &"commit", &"revisions", &"size"]);
        cached.iter().for_each(|cached| add_row(&mut table, cached));
        text = format!("{table}\n");
    }
    let (count, size) = (table::count(cached.len(), "tower"), table::bytes(total));
    text += &table::pairs(&[
        ("directory", dir.clone()),
        ("total", format!("{count}, {size}")),
    ]);
    let towers: Value = cached.iter().map(tower_json).collect();
    let json = json!({"directory": dir, "bytes": total, "towers": towers});
    console.report(&text, &json)
}

fn add_row(table: &mut Table, cached: &Cached) {
    let commit: String = cached.commit.chars().take(SHORT_COMMIT).collect();
    let (revisions, size) = (cached.revisions.join(", "), table::bytes(cached.bytes));
    let note = if cached.unfinished { INCOMPLETE } else { "" };
    table.row(&[&cached.model, &commit, &revisions, &size, &note]);
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
