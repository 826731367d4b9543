//! From the argument of `-m` to a checkpoint directory.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::args::RevisionArgs;
use crate::console::Console;

/// The model that messages suggest.
pub(crate) const EXAMPLE: &str = "zai-org/GLM-4.1V-9B-Thinking";

/// Which files of a model a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelFiles {
    /// config.json and the preprocessor files.
    Configs,
    /// The same and the weights of the vision tower.
    Tower,
}

/// The directory `name`; or else the cached directory of the hub model `name`. Files that no cache has are downloaded.
pub(crate) fn directory(
    name: &str,
    revision: &RevisionArgs,
    files: ModelFiles,
    console: &Console,
) -> Result<PathBuf> {
    let dir = Path::new(name);
    if dir.is_file() {
        bail!("{name}: is a file; name the directory of the checkpoint");
    }
    if dir.is_dir() {
        if *revision != RevisionArgs::default() {
            console.warning(&format!(
                "{name} is a directory, so --revision and --offline have no effect; they apply to models on the hub"
            ));
        }
        return Ok(dir.to_owned());
    }
    hub_directory(name, revision, files, console)
}

#[cfg(feature = "hub")]
fn hub_directory(
    name: &str,
    args: &RevisionArgs,
    files: ModelFiles,
    console: &Console,
) -> Result<PathBuf> {
    use anyhow::Context;
    use glm4v::hub::{Hub, ModelId};

    let Ok(model) = name.parse::<ModelId>() else {
        bail!(
            "{name}: there is no such checkpoint directory; a model on the hub is named owner/name, as in {EXAMPLE}"
        );
    };
    let hub = Hub::from_env()?.offline(args.offline);
    let (revision, download) = (
        args.revision.as_deref(),
        crate::download::Download::new(console),
    );
    let dir = match files {
        ModelFiles::Configs => hub.configs(&model, revision, &download),
        ModelFiles::Tower => hub.checkpoint(&model, revision, &download),
    };
    let dir = dir.with_context(|| {
        format!("there is no directory {name}, and the hub model {name} is not available")
    })?;
    console.detail(&format!("using {model} from {}", dir.display()));
    Ok(dir)
}

#[cfg(not(feature = "hub"))]
fn hub_directory(name: &str, _: &RevisionArgs, _: ModelFiles, _: &Console) -> Result<PathBuf> {
    bail!(
        "{name}: there is no such checkpoint directory; for models on the hub, build the program with --features hub"
    )
}
