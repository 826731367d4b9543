mod report;

use anyhow::{Result, ensure};
use clap::Args;
use glm4v::VisionConfig;
use glm4v::config::{ImageProcessorConfig, VideoProcessorConfig};
use glm4v::weights::{Inspection, LocalModel};

use crate::args::{ProcessorArgs, RevisionArgs};
use crate::console::Console;
use crate::model::{self, ModelFiles};
use crate::table;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Checkpoint directory, mmproj file of llama.cpp (.gguf), or a model on the Hugging Face hub as owner/name
    #[arg(value_name = "DIR|FILE|NAME")]
    model: String,
    #[command(flatten)]
    processor: ProcessorArgs,
    #[command(flatten)]
    revision: RevisionArgs,
}

const EXAMPLES: &str = "\
Only the headers of the weight files are read, so a large checkpoint takes no longer than a small one. Exit status 1 means
that `encode -m` would refuse the checkpoint.

Examples:
  glm4v inspect GLM-4.1V-9B-Thinking
  glm4v inspect mmproj-GLM-4.6V-Flash-Q8_0.gguf --processor glm-4.6v-flash
  glm4v inspect GLM-4.1V-9B-Thinking --json | jq .weights.parameters";

/// The content of a checkpoint directory.
struct Findings {
    vision: VisionConfig,
    image: Option<ImageProcessorConfig>,
    video: Option<VideoProcessorConfig>,
    tower: Option<Inspection>,
    /// The reasons why `encode` would refuse it.
    problems: Vec<String>,
}

/// Reports on a checkpoint. Fails if `encode` would refuse it.
pub(crate) fn run(args: &InspectArgs, console: &Console) -> Result<()> {
    let (files, name) = (ModelFiles::Tower, &args.model);
    let model = model::find(name, &args.processor, &args.revision, files, console)?;
    let (findings, path) = (Findings::of(&model)?, model.path());
    let text = findings.text(path, console.0.verbose);
    console.report(&text, &findings.json(path))?;
    let (path, problems) = (path.display(), findings.problems.join("; "));
    ensure!(
        problems.is_empty(),
        "{path}: encode cannot load this checkpoint: {problems}"
    );
    Ok(())
}

impl Findings {
    /// Collects all problems, so that one run shows them all. Only a missing or invalid configuration of the tower is an
    /// error at once.
    fn of(model: &LocalModel) -> Result<Self> {
        let vision = model.config()?;
        let checkpoint = model.checkpoint();
        let tower = checkpoint.map(|checkpoint| checkpoint.inspect(&vision));
        let problem = match &tower {
            Ok(tower) => shortfall(tower),
            Err(error) => Some(error.to_string()),
        };
        let processor = model.processor();
        let mismatch = match &processor {
            Ok(processor) => processor
                .check(&vision)
                .err()
                .map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let processor = processor.ok();
        let video = processor.as_ref().and_then(|found| found.video().ok());
        Ok(Self {
            vision,
            video: video.map(|video| video.config().clone()),
            image: processor.map(|processor| processor.config().clone()),
            tower: tower.ok(),
            problems: problem.into_iter().chain(mismatch).collect(),
        })
    }
}

/// The tensors that prevent loading, as counts.
fn shortfall(tower: &Inspection) -> Option<String> {
    let counts = [
        (tower.missing.len(), "missing"),
        (tower.mismatched.len(), "with a wrong shape or type"),
        (tower.left_over.len(), "unexpected"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, what)| format!("{} {what}", table::count(count, "tensor")));
    let counts = counts.collect::<Vec<_>>().join(", ");
    (!counts.is_empty()).then_some(counts)
}
