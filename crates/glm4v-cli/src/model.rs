//! From what `-m` names to a checkpoint's directory.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::args::RevisionArgs;
use crate::console::Console;

/// A model that a newcomer can name.
pub(crate) const EXAMPLE: &str = "zai-org/GLM-4.1V-9B-Thinking";

/// What is needed of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its configurations.
    Configs,
    /// Its vision tower too.
    Tower,
}

/// The directory `name`, or that of the model of this name, of which `part` is fetched if it is in no cache.
pub(crate) fn directory(
    name: &str,
    revision: &RevisionArgs,
    part: Part,
    console: &Console,
) -> Result<PathBuf> {
    let dir = Path::new(name);
    if dir.is_file() {
        bail!("{name}: is a file; name the checkpoint's directory");
    }
    if dir.is_dir() {
        if *revision != RevisionArgs::default() {
            console.warning(&format!(
                "{name} is a directory: --revision and --offline are of models by name"
            ));
        }
        return Ok(dir.to_owned());
    }
    of_hub(name, revision, part, console)
}

#[cfg(feature = "hub")]
fn of_hub(name: &str, args: &RevisionArgs, part: Part, console: &Console) -> Result<PathBuf> {
    use anyhow::Context;
    use glm4v::hub::{Hub, ModelId};

    use crate::download::Download;

    let Ok(model) = name.parse::<ModelId>() else {
        bail!(
            "{name}: there is no such checkpoint directory (a model on the hub is named as in {EXAMPLE})"
        );
    };
    let hub = Hub::from_env()?.offline(args.offline);
    let (revision, download) = (args.revision.as_deref(), Download::new(console));
    let dir = match part {
        Part::Configs => hub.configs(&model, revision, &download),
        Part::Tower => hub.checkpoint(&model, revision, &download),
    };
    let dir = dir.with_context(|| {
        format!("there is no directory {name}, and the model of this name cannot be had")
    })?;
    console.detail(&format!("{model} is in {}", dir.display()));
    Ok(dir)
}

#[cfg(not(feature = "hub"))]
fn of_hub(name: &str, _: &RevisionArgs, _: Part, _: &Console) -> Result<PathBuf> {
    bail!(
        "{name}: there is no such checkpoint directory (models by name need a program built with --features hub)"
    )
}
