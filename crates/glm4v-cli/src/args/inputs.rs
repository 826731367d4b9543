use std::num::NonZero;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use glm4v::Processor;
use glm4v::config::{SamplingRule, SizeBudget};
use glm4v::preprocess::{DecodeOptions, ReadOptions};
use rayon::ThreadPoolBuilder;

use crate::failure::misuse;
use crate::values::{positive, threads};

const READING: &str = "Reading";

#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Image files, video files, folders, tar archives, URLs, data URIs, patterns such as '**/*.jpg', and pipes, in any
    /// order; - is the standard input
    #[arg(value_name = "INPUT", required_unless_present_any = ["files_from", "manifest"])]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) collect: CollectArgs,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

const COLLECTING: &str = "Folders, lists and URLs";

/// Where inputs come from, besides the arguments.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CollectArgs {
    /// Take the images and videos of subfolders too
    #[arg(short, long, help_heading = COLLECTING)]
    pub(crate) recursive: bool,
    /// A folder is one video, and its images are the frames. --source-fps must give the frame rate, and implies this option
    #[arg(long, help_heading = COLLECTING)]
    pub(crate) frames: bool,
    /// Read inputs from this file, one a line; - is the standard input
    #[arg(long, help_heading = COLLECTING, value_name = "LIST")]
    pub(crate) files_from: Vec<PathBuf>,
    /// The inputs in --files-from end with a zero byte, as `find -print0` writes them
    #[arg(short = '0', long, help_heading = COLLECTING, requires = "files_from")]
    pub(crate) null: bool,
    /// Read inputs from this table, one a row: .jsonl, .csv, .tsv or .parquet
    #[arg(long, help_heading = COLLECTING, value_name = "FILE")]
    pub(crate) manifest: Vec<PathBuf>,
    /// The column of paths and URLs [default: path, file, file_name, image or url]
    #[arg(long, help_heading = COLLECTING, value_name = "NAME", requires = "manifest")]
    pub(crate) path_column: Option<String>,
    /// The column of ids [default: id, key or uuid; without it the path is the id]
    #[arg(long, help_heading = COLLECTING, value_name = "NAME", requires = "manifest")]
    pub(crate) id_column: Option<String>,
    /// Fetch URLs also from addresses that are not public, as in your own network
    #[arg(long, help_heading = COLLECTING)]
    pub(crate) allow_private_hosts: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReadArgs {
    /// Sample videos at this many frames a second [default: the checkpoint's setting]
    #[arg(long, help_heading = READING, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) fps: Option<f64>,
    /// Sample at --fps up to this duration; a longer video gets the same number of frames, spread over its length
    #[arg(long, help_heading = READING, value_name = "SECONDS", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) max_duration: Option<f64>,
    /// Frame rate of a folder of video frames
    #[arg(long, help_heading = READING, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub(crate) source_fps: Option<f64>,
    /// Read only the first frame of an animated GIF, WebP or PNG, as an image
    #[arg(long, help_heading = READING)]
    pub(crate) first_frame: bool,
    /// Ignore the EXIF orientation of images
    #[arg(long, help_heading = READING)]
    pub(crate) no_exif: bool,
    /// Threads that read, and that encode on a CPU [default: one for each core]
    #[arg(long, help_heading = READING, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<NonZero<usize>>,
    /// Enlarge an image, or all frames of a video together, to at least this many tokens [default: the checkpoint's setting]
    #[arg(long, help_heading = READING, value_name = "TOKENS")]
    pub(crate) min_tokens: Option<NonZero<usize>>,
    /// Reduce an image, or all frames of a video together, to at most this many tokens [default: the checkpoint's setting]
    #[arg(long, help_heading = READING, value_name = "TOKENS")]
    pub(crate) max_tokens: Option<NonZero<usize>>,
    /// Enlarge an image, or all frames of a video together, to at least this many pixels, as `size.shortest_edge` of the
    /// checkpoint counts them: an image counts twice, as two frames
    #[arg(long, help_heading = READING, value_name = "PIXELS", conflicts_with_all = ["min_tokens", "max_tokens"])]
    pub(crate) min_pixels: Option<NonZero<usize>>,
    /// Reduce an image, or all frames of a video together, to at most this many pixels, as `size.longest_edge` of the
    /// checkpoint counts them: an image counts twice, as two frames
    #[arg(long, help_heading = READING, value_name = "PIXELS", conflicts_with_all = ["min_tokens", "max_tokens"])]
    pub(crate) max_pixels: Option<NonZero<usize>>,
}

impl ReadArgs {
    /// Starts the threads. It must be called before any work.
    pub(crate) fn start_threads(&self) -> Result<()> {
        let Some(threads) = self.threads else {
            return Ok(());
        };
        let pool = ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global()
            .with_context(|| format!("--threads {threads}: the threads cannot be started"))
    }

    /// The options for reading.
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            decode: DecodeOptions {
                apply_exif: !self.no_exif,
                ..DecodeOptions::default()
            },
            source_fps: self.source_fps,
            first_frame_only: self.first_frame,
            ..ReadOptions::default()
        }
    }

    /// Changes how `processor` resizes inputs and samples videos.
    pub(crate) fn configure(&self, processor: Processor) -> Result<Processor> {
        let processor = self.with_sampling(processor)?;
        match self.budget()? {
            None => Ok(processor),
            Some(budget) => processor.with_budget(budget).context(match budget {
                SizeBudget::Pixels { .. } => "--min-pixels and --max-pixels",
                SizeBudget::Tokens { .. } => "--min-tokens and --max-tokens",
            }),
        }
    }

    /// The limits of the size, if any is given. The command line has only one kind of them.
    fn budget(&self) -> Result<Option<SizeBudget>> {
        let tokens = limits("tokens", self.min_tokens, self.max_tokens)?;
        let pixels = limits("pixels", self.min_pixels, self.max_pixels)?;
        Ok(match (tokens, pixels) {
            ((None, None), (None, None)) => None,
            ((None, None), (min, max)) => Some(SizeBudget::Pixels { min, max }),
            ((min, max), _) => Some(SizeBudget::Tokens { min, max }),
        })
    }

    fn with_sampling(&self, processor: Processor) -> Result<Processor> {
        if self.fps.is_none() && self.max_duration.is_none() {
            return Ok(processor);
        }
        let mut config = processor.video()?.config().clone();
        match config.sampling.video_processor_type {
            SamplingRule::Glm46v => bail!(
                "--fps and --max-duration do not apply to this model: it samples by the rule of Glm46VVideoProcessor, \
                 whose rates are fixed; leave them out, or choose a model with Glm4vVideoProcessor"
            ),
            SamplingRule::Glmga if self.max_duration.is_some() => bail!(
                "--max-duration does not apply to this model: it samples by the rule of GlmgaVideoProcessor, which has no \
                 longest duration; leave it out, and use --fps"
            ),
            SamplingRule::Glm4v | SamplingRule::Glmga | SamplingRule::Glm5Next => {}
        }
        let sampling = &mut config.sampling;
        sampling.fps = self.fps.unwrap_or(sampling.fps);
        sampling.max_duration = self.max_duration.unwrap_or(sampling.max_duration);
        Ok(processor.with_video(config)?)
    }
}

/// The minimum and the maximum that are given for a size.
fn limits(
    unit: &str,
    min: Option<NonZero<usize>>,
    max: Option<NonZero<usize>>,
) -> Result<(Option<usize>, Option<usize>)> {
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(misuse(format!(
            "--min-{unit} {min} is larger than --max-{unit} {max}"
        )));
    }
    Ok((min.map(NonZero::get), max.map(NonZero::get)))
}
