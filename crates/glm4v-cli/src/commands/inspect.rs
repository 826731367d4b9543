mod report;

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;
use glm4v::config::{ImageProcessorConfig, ProcessorFiles, VideoProcessorConfig};
use glm4v::weights::{Checkpoint, Inspection};
use glm4v::{Processor, VisionConfig};

use crate::args::RevisionArgs;
use crate::console::Console;
use crate::model::{self, ModelFiles};
use crate::table;

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Checkpoint directory, or a model on the Hugging Face hub as owner/name
    #[arg(value_name = "DIR|NAME")]
    model: String,
    #[command(flatten)]
    revision: RevisionArgs,
}

const EXAMPLES: &str = "\
Only the headers of the weight files are read, so a large checkpoint takes no longer than a small one. Exit status 1 means
that `encode -m` would refuse the checkpoint.

Examples:
  glm4v inspect GLM-4.1V-9B-Thinking
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
    let dir = &model::directory(&args.model, &args.revision, ModelFiles::Tower, console)?;
    let findings = Findings::of(dir)?;
    let text = findings.text(dir, console.0.verbose);
    console.report(&text, &findings.json(dir))?;
    let (dir, problems) = (dir.display(), findings.problems.join("; "));
    ensure!(
        problems.is_empty(),
        "{dir}: encode cannot load this checkpoint: {problems}"
    );
    Ok(())
}

impl Findings {
    /// Collects all problems, so that one run shows them all. Only a missing or invalid config.json is an error at once.
    fn of(dir: &Path) -> Result<Self> {
        let vision = VisionConfig::from_file(dir.join("config.json"))?;
        let tower = Checkpoint::open(dir).map(|checkpoint| checkpoint.inspect(&vision));
        let problem = match &tower {
            Ok(tower) => shortfall(tower),
            Err(error) => Some(error.to_string()),
        };
        let processor = Processor::from_dir(dir);
        let mismatch = match &processor {
            Ok(processor) => processor
                .check(&vision)
                .err()
                .map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        Ok(Self {
            vision,
            image: processor.ok().map(|processor| processor.config().clone()),
            // If it is invalid, the processor has reported it above.
            video: ProcessorFiles::from_dir(dir)
                .and_then(|files| files.video())
                .ok(),
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
