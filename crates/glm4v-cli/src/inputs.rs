//! What the command line names, read and cut into patches.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::{
    Frames, GridThw, Input, InputInfo, MediaOptions, OpenOptions, Patches, Processor, SamplingRule,
};
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::{InputArgs, ReadingArgs};
use crate::console::Console;
use crate::forecast::Ahead;
use crate::layout;

/// The inputs of a command, read a few at a time.
pub(crate) struct Inputs<'a> {
    unread: VecDeque<PathBuf>,
    read: VecDeque<(About, Patches)>,
    ahead: Ahead,
    options: MediaOptions,
    processor: &'a Processor,
    console: &'a Console,
    bar: ProgressBar,
}

impl<'a> Inputs<'a> {
    /// The inputs of `args`; what is not there is an error now, before anything is done for the others.
    pub(crate) fn new(
        args: InputArgs,
        processor: &'a Processor,
        console: &'a Console,
    ) -> Result<Self> {
        for path in &args.inputs {
            let found = path.metadata();
            found.with_context(|| format!("{}: cannot be read", path.display()))?;
        }
        Ok(Self {
            bar: console.progress("reading", Some(args.inputs.len())),
            unread: args.inputs.into(),
            read: VecDeque::new(),
            ahead: Ahead::USUAL,
            options: media_options(&args.reading),
            processor,
            console,
        })
    }

    /// What all inputs are, before any is read.
    pub(crate) fn probe(&self) -> Result<Vec<About>> {
        let unread = self.unread.iter();
        unread
            .map(|path| About::probe(path, self.processor, &self.options))
            .collect()
    }

    /// Reads no further ahead than `ahead` from now on.
    pub(crate) fn read_ahead(&mut self, ahead: Ahead) {
        self.ahead = ahead;
    }

    /// The inputs that are read and wait for the next batch.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &About> {
        self.read.iter().map(|(about, _)| about)
    }

    /// The next inputs, as many as are read ahead; a larger one comes alone. `None` after the last.
    pub(crate) fn next_batch(&mut self) -> Result<Option<Vec<(About, Patches)>>> {
        self.batch(self.ahead.patches)
    }

    /// The next inputs, of at most `patches` patches together; a larger one comes alone. `None` after the last.
    pub(crate) fn batch(&mut self, patches: usize) -> Result<Option<Vec<(About, Patches)>>> {
        let mut batch = Vec::new();
        let mut size = 0;
        loop {
            if self.read.is_empty() {
                self.read_on()?;
            }
            let next = self.read.front().map(|(about, _)| about.grid.num_patches());
            match next {
                Some(own) if batch.is_empty() || size + own <= patches => {
                    size += own;
                    batch.extend(self.read.pop_front());
                }
                None if batch.is_empty() => return Ok(None),
                _ => return Ok(Some(batch)),
            }
        }
    }

    /// Of several that fail, the first is the error.
    fn read_on(&mut self) -> Result<()> {
        let count = self.unread.len().min(self.ahead.inputs);
        let paths: Vec<PathBuf> = self.unread.drain(..count).collect();
        let results: Vec<_> = paths
            .par_iter()
            .map(|path| self.processor.read(path, &self.options))
            .inspect(|_| self.bar.inc(1))
            .collect();
        let merge = self.processor.config().merge_size;
        for (path, input) in paths.into_iter().zip(results) {
            let (about, patches) = About::of(path, input?, merge);
            for warning in &about.warnings {
                self.console
                    .warning(&format!("{}: {warning}", about.path.display()));
            }
            self.read.push_back((about, patches));
        }
        Ok(())
    }
}

/// How `args` say that pictures and clips are read.
pub(crate) fn media_options(args: &ReadingArgs) -> MediaOptions {
    MediaOptions {
        open: OpenOptions {
            exif_orientation: !args.no_exif,
            ..OpenOptions::default()
        },
        source_fps: args.source_fps,
        stills: args.still,
        ..MediaOptions::default()
    }
}

/// `processor`, its sampling changed as `args` ask.
pub(crate) fn with_sampling(processor: Processor, args: &ReadingArgs) -> Result<Processor> {
    if args.fps.is_none() && args.max_duration.is_none() {
        return Ok(processor);
    }
    let mut config = processor.video()?.config().clone();
    if config.sampling.video_processor_type == SamplingRule::Glm46v {
        bail!(
            "--fps and --max-duration: the model samples by the rule of Glm46VVideoProcessor, whose rates are fixed; leave \
             them out, or choose a model that samples by Glm4vVideoProcessor"
        );
    }
    let sampling = &mut config.sampling;
    sampling.fps = args.fps.unwrap_or(sampling.fps);
    sampling.max_duration = args.max_duration.unwrap_or(sampling.max_duration);
    Ok(processor.with_video(config)?)
}

/// An input without its patches.
pub(crate) struct About {
    /// Its name.
    pub(crate) path: PathBuf,
    /// Pixels of the source.
    pub(crate) size: (usize, usize),
    /// Where its patches stand.
    pub(crate) grid: GridThw,
    /// Of a clip, what was taken of it.
    pub(crate) frames: Option<Frames>,
    merge: usize,
    warnings: Vec<String>,
}

impl About {
    /// The input apart from its patches.
    fn of(path: PathBuf, input: Input, merge: usize) -> (Self, Patches) {
        let about = Self {
            path,
            size: (input.height, input.width),
            grid: input.patches.grids()[0],
            frames: input.frames,
            merge,
            warnings: input.warnings,
        };
        (about, input.patches)
    }

    /// A picture of which the size is known.
    pub(crate) fn new(path: PathBuf, size: (usize, usize), grid: GridThw, merge: usize) -> Self {
        Self {
            path,
            size,
            grid,
            frames: None,
            merge,
            warnings: Vec::new(),
        }
    }

    /// What an input is, before it is read.
    pub(crate) fn probe(
        path: &Path,
        processor: &Processor,
        options: &MediaOptions,
    ) -> Result<Self> {
        let InputInfo {
            grid,
            height,
            width,
            frames,
            warnings,
        } = processor.probe(path, options)?;
        let merge = processor.config().merge_size;
        Ok(Self {
            frames,
            warnings,
            ..Self::new(path.to_owned(), (height, width), grid, merge)
        })
    }

    /// Tokens that the tower makes of it.
    pub(crate) fn tokens(&self) -> usize {
        self.grid.num_tokens(self.merge)
    }

    fn row(&self) -> [String; 5] {
        let (height, width) = self.size;
        let frames = self.frames.as_ref().map(|frames| {
            let rate = frames.info.fps.map(|fps| format!(", {fps:.2} a second"));
            format!(
                "{} of {}{}",
                frames.indices.len(),
                frames.info.num_frames,
                rate.unwrap_or_default()
            )
        });
        [
            self.path.display().to_string(),
            format!("{width}×{height}"),
            frames.unwrap_or_default(),
            self.grid.to_string(),
            self.tokens().to_string(),
        ]
    }

    pub(crate) fn json(&self) -> Value {
        let (height, width) = self.size;
        let frames = self.frames.as_ref().map(|frames| {
            json!({
                "num_frames": frames.info.num_frames,
                "fps": frames.info.fps,
                "frames_indices": frames.indices,
                "timestamps": frames.timestamps,
            })
        });
        json!({
            "file": self.path.to_string_lossy(),
            "width": width,
            "height": height,
            "clip": frames,
            "grid_thw": <[usize; 3]>::from(self.grid),
            "tokens": self.tokens(),
        })
    }
}

/// A line for each input, and what they come to.
pub(crate) fn table(inputs: &[About]) -> String {
    let clips = inputs.iter().any(|about| about.frames.is_some());
    let head = ["input", "width×height", "frames", "grid t×h×w", "tokens"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(inputs.iter().map(About::row))
        .collect();
    if clips {
        return layout::table(&rows);
    }
    let rows: Vec<[String; 4]> = rows
        .into_iter()
        .map(|[path, size, _, grid, tokens]| [path, size, grid, tokens])
        .collect();
    layout::table(&rows)
}

/// The same for programs.
pub(crate) fn json(inputs: &[About]) -> Value {
    inputs.iter().map(About::json).collect()
}

/// As in `2 pictures and 1 clip`.
pub(crate) fn count(inputs: &[About]) -> String {
    let clips = inputs.iter().filter(|about| about.frames.is_some()).count();
    let pictures = inputs.len() - clips;
    let counts = [(pictures, "picture"), (clips, "clip")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, what)| layout::count(count, what))
        .collect();
    counts.join(" and ")
}
