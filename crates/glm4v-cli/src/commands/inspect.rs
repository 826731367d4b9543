mod report;

use std::path::Path;

use anyhow::{Result, bail};
use glm4v::{
    Checkpoint, ImageProcessorConfig, Inspection, Processor, VideoProcessorConfig, VisionConfig,
};

use crate::args::InspectArgs;
use crate::console::Console;
use crate::model::{self, Part};

/// What a checkpoint's directory holds.
struct Findings {
    vision: VisionConfig,
    image: Option<ImageProcessorConfig>,
    video: Option<VideoProcessorConfig>,
    tower: Option<Inspection>,
    /// Why it cannot be loaded.
    problems: Vec<String>,
}

/// A checkpoint to a report on it; an error where `encode` would refuse it.
pub(crate) fn run(args: &InspectArgs, console: &Console) -> Result<()> {
    let dir = &model::directory(&args.model, &args.revision, Part::Tower, console)?;
    let findings = Findings::of(dir)?;
    console.report(&findings.report(dir, console.is_verbose()))?;
    match &findings.problems[..] {
        [] => Ok(()),
        problems => bail!(
            "{}: cannot be loaded: {}",
            dir.display(),
            problems.join("; ")
        ),
    }
}

impl Findings {
    /// Goes on after a problem, so that one look shows them all; only without config.json there is nothing to say.
    fn of(dir: &Path) -> Result<Self> {
        let vision = VisionConfig::from_file(dir.join("config.json"))?;
        let mut problems = Vec::new();
        let tower = match Checkpoint::open(dir) {
            Ok(checkpoint) => Some(checkpoint.inspect(&vision)),
            Err(error) => {
                problems.push(error.to_string());
                None
            }
        };
        problems.extend(tower.as_ref().and_then(shortfall));
        let processor = Processor::from_dir(dir);
        match &processor {
            Ok(processor) => {
                problems.extend(
                    processor
                        .check(&vision)
                        .err()
                        .map(|error| error.to_string()),
                );
            }
            Err(error) => problems.push(error.to_string()),
        }
        Ok(Self {
            vision,
            image: processor.ok().map(|processor| processor.config().clone()),
            // What is wrong with it the processor has said.
            video: VideoProcessorConfig::from_file(dir.join("video_preprocessor_config.json")).ok(),
            tower,
            problems,
        })
    }
}

/// How many tensors keep the tower from being loaded.
fn shortfall(tower: &Inspection) -> Option<String> {
    let counts = [
        (tower.missing.len(), "missing"),
        (tower.mismatched.len(), "of the wrong shape or type"),
        (tower.left_over.len(), "left over"),
    ];
    let said: Vec<String> = counts
        .into_iter()
        .filter(|&(count, _)| count > 0)
        .map(|(count, what)| format!("{} {what}", crate::layout::count(count, "tensor")))
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}
