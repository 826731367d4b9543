//! From the argument of `-m` to a checkpoint directory or a GGUF file.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use glm4v::weights::{LocalModel, gguf_file, is_local};

use crate::args::{ProcessorArgs, RevisionArgs};
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

/// The model `name` on this machine; or else the cached directory of the hub model `name`. Files that no cache has are
/// downloaded. A note names the settings that a GGUF file lacks.
pub(crate) fn find(
    name: &str,
    processor: &ProcessorArgs,
    revision: &RevisionArgs,
    files: ModelFiles,
    console: &Console,
) -> Result<LocalModel> {
    let path = place(name, revision, files, console)?;
    let model = LocalModel::open(path, processor.processor.clone())?;
    if let Some(preset) = model.assumed_preset() {
        let file = model.path().display();
        console.note(&format!(
            "{file} does not say how images and videos are resized and sampled; this run uses the published settings of \
             {preset}; choose others with --processor, as in --processor glm-4.6v-flash"
        ));
    }
    Ok(model)
}

/// The directory or the GGUF file `name`; or else the cached directory of a hub model.
fn place(
    name: &str,
    revision: &RevisionArgs,
    files: ModelFiles,
    console: &Console,
) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() && gguf_file(path)?.is_none() {
        bail!("{name}: is a file, but not a GGUF file; name the directory of the checkpoint");
    }
    if !is_local(path)? {
        return hub_directory(name, revision, files, console);
    }
    if *revision != RevisionArgs::default() {
        console.warning(&format!(
            "{name} is on this machine, so --revision and --offline have no effect; they apply to models on the hub"
        ));
    }
    Ok(path.to_owned())
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

    let model: ModelId = name.parse()?;
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
