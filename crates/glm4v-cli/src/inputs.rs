//! What the command line names, read and cut into patches.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use glm4v::{
    Frames, GridThw, Held, Input, InputInfo, MediaOptions, OpenOptions, Patches, Processor,
    SamplingRule,
};
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::{InputArgs, ReadingArgs};
use crate::console::Console;
use crate::forecast::Ahead;
use crate::layout;
use crate::reader::Reader;

/// The inputs of a command, read a few at a time.
pub(crate) struct Inputs<'a> {
    unread: VecDeque<PathBuf>,
    reader: Reader,
    bar: ProgressBar,
    /// Taken from the reader, and too large for the batch before it.
    next: Option<(About, Patches)>,
    ahead: Ahead,
    options: MediaOptions,
    processor: Arc<Processor>,
    console: &'a Console,
}

impl<'a> Inputs<'a> {
    /// The inputs of `args`; what is not there is an error now, before anything is done for the others.
    pub(crate) fn new(
        args: InputArgs,
        processor: &Arc<Processor>,
        ahead: Ahead,
        console: &'a Console,
    ) -> Result<Self> {
        for path in &args.inputs {
            let found = path.metadata();
            found.with_context(|| format!("{}: cannot be read", path.display()))?;
        }
        let options = media_options(&args.reading);
        let bar = console.progress("reading", Some(args.inputs.len()));
        let threads = rayon::current_num_threads().min(args.inputs.len());
        Ok(Self {
            reader: Reader::new(threads, processor, &options, &bar),
            bar,
            unread: args.inputs.into(),
            next: None,
            ahead,
            options,
            processor: Arc::clone(processor),
            console,
        })
    }

    /// What the first `count` inputs are, before any is read.
    pub(crate) fn probe(&self, count: usize) -> Result<Vec<About>> {
        let count = count.min(self.unread.len());
        let paths: Vec<&PathBuf> = self.unread.range(..count).collect();
        let (processor, options) = (&self.processor, &self.options);
        let probe = |path: &&PathBuf| About::probe(path, processor, options);
        let probed: Vec<Result<About>> = paths.par_iter().map(probe).collect();
        probed.into_iter().collect()
    }

    /// Reads no further ahead than `ahead` from now on.
    pub(crate) fn read_ahead(&mut self, ahead: Ahead) {
        self.ahead = ahead;
    }

    /// The next inputs, of as many patches as a batch may have; a larger one comes alone. `None` after the last.
    ///
    /// # Errors
    /// Of the inputs that are read by then, the first failure.
    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut batch = Vec::new();
        let mut patches = 0;
        while patches < self.ahead.patches
            && let Some((about, rows)) = self.take()?
        {
            let own = about.grid.num_patches();
            if !batch.is_empty() && own > self.ahead.patches - patches {
                self.next = Some((about, rows));
                break;
            }
            patches = (patches + own).min(self.ahead.patches);
            batch.push((about, rows));
        }
        if !self.ahead.beside {
            self.reader.wait();
        }
        if let Some(error) = self.reader.failure() {
            return Err(error.into());
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn take(&mut self) -> Result<Option<(About, Patches)>> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        self.start();
        let Some((path, input)) = self.reader.next() else {
            return Ok(None);
        };
        let merge = self.processor.config().merge_size;
        let (about, patches) = About::of(path, input?, merge);
        for warning in &about.warnings {
            self.console
                .warning(&format!("{}: {warning}", about.path.display()));
        }
        if self.ahead.beside {
            self.start();
        }
        Ok(Some((about, patches)))
    }

    /// Has as many read as may be at once; unless reading goes on beside other work, when all before are taken.
    fn start(&mut self) {
        if !self.ahead.beside && self.reader.len() > 0 {
            return;
        }
        while self.reader.len() < self.ahead.inputs
            && let Some(path) = self.unread.pop_front()
        {
            self.reader.start(path);
        }
    }
}

impl Drop for Inputs<'_> {
    fn drop(&mut self) {
        // Threads that still read hold the bar as well.
        self.bar.finish_and_clear();
    }
}

/// Inputs with their patch rows.
pub(crate) type Batch = Vec<(About, Patches)>;

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
    /// What reading it holds, where that was asked.
    pub(crate) held: Held,
    /// Whether its rows hold one frame in place of equal ones.
    pub(crate) is_still: bool,
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
            is_still: input.frames.is_none(),
            frames: input.frames,
            held: Held::default(),
            merge,
            warnings: input.warnings,
        };
        (about, input.patches)
    }

    /// What an input is, before it is read.
    pub(crate) fn probe(
        path: &Path,
        processor: &Processor,
        options: &MediaOptions,
    ) -> Result<Self> {
        let info = processor.probe(path, options)?;
        Ok(Self::new(path.to_owned(), info, processor))
    }

    /// An input of which no more is known than `info`.
    pub(crate) fn new(path: PathBuf, info: InputInfo, processor: &Processor) -> Self {
        let InputInfo {
            grid,
            height,
            width,
            frames,
            held,
            warnings,
        } = info;
        Self {
            path,
            size: (height, width),
            grid,
            is_still: frames.is_none(),
            frames,
            held,
            merge: processor.config().merge_size,
            warnings,
        }
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
