use std::collections::VecDeque;
use std::iter;
use std::mem;
use std::sync::Arc;

use glm4v_config::{GridThw, PatchKind};
use glm4v_preprocess::{Patches, Probed, Processor, ReadOptions, SampledFrames, Source};
use rayon::prelude::*;

use super::{InputError, InputSource};
use crate::Error;
use crate::batching::{LookAhead, look_ahead};
use crate::plan::{BatchLimits, InputSize};

/// Sources that are opened a few at a time, and read in batches.
///
/// Every source is opened and probed once. [`Inputs::look_ahead`] shows the sizes of the next inputs before they are
/// decoded, so that a [`Plan`](crate::Plan) can be made of them. [`crate::pipeline`] has an example.
pub struct Inputs {
    sources: Box<dyn Iterator<Item = Next> + Send>,
    processor: Arc<Processor>,
    options: ReadOptions,
    limits: BatchLimits,
    /// Inputs that are open and not read.
    open: VecDeque<Result<Open, InputError>>,
    /// The number of sources so far.
    count: usize,
}

type Open = (InputInfo, Probed);

/// An input whose turn to be opened comes later.
enum Next {
    Source(InputSource),
    /// It was opened by [`Inputs::survey`], and cannot be opened again.
    Open(Box<Result<Open, InputError>>),
}

/// What is known of an input before it is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// The place of the input among the sources, counted from 0.
    pub index: usize,
    /// Its path or name.
    pub name: String,
    /// (height, width) of the source in pixels.
    pub size: (usize, usize),
    /// Its grid, in patches.
    pub grid: GridThw,
    /// Whether its patch rows are those of an image or of a video.
    pub kind: PatchKind,
    /// The sampled frames of a video.
    pub frames: Option<SampledFrames>,
    /// The number of tokens that the tower makes of it.
    pub tokens: usize,
    /// Bytes that the open input keeps in memory until it is read.
    pub open_bytes: u64,
    /// Bytes while it is decoded, beside its patch rows and its file.
    pub decode_bytes: u64,
    /// Whether it was opened before its turn, and stays open: see [`Inputs::survey`].
    pub stays_open: bool,
    /// Reasons to doubt the result. Damaged frames of a video are found when it is read.
    pub warnings: Vec<String>,
}

impl From<&InputInfo> for InputSize {
    fn from(info: &InputInfo) -> Self {
        Self {
            grid: info.grid,
            kind: info.kind,
            open_bytes: info.open_bytes,
            decode_bytes: info.decode_bytes,
            stays_open: info.stays_open,
        }
    }
}

/// Inputs that were read into one batch.
#[derive(Debug)]
pub struct ReadBatch {
    /// The patch rows of the inputs that were read, in order. It is empty if every input failed.
    pub patches: Patches,
    /// All inputs of the batch, in order, also those that failed.
    pub inputs: Vec<Result<InputInfo, InputError>>,
}

impl ReadBatch {
    /// A batch for each input.
    pub(super) fn one_by_one(self) -> Vec<Self> {
        let Self { patches, inputs } = self;
        let row_len = patches.row_len();
        let mut patches = patches.split().into_iter();
        let part = |input: Result<InputInfo, InputError>| Self {
            patches: match &input {
                Ok(_) => patches.next().expect("patches of each input that was read"),
                Err(_) => Patches::empty(row_len),
            },
            inputs: vec![input],
        };
        inputs.into_iter().map(part).collect()
    }

    /// Bytes of the patch rows.
    pub(super) fn bytes(&self) -> u64 {
        let rows = self.patches.iter().map(|span| span.rows.len());
        (size_of::<f32>() * rows.sum::<usize>()) as u64
    }

    /// The batch without its patches, because all of its inputs failed.
    pub(super) fn failed(self, error: Error) -> Self {
        let (row_len, source) = (self.patches.row_len(), Arc::new(error));
        let fail = |InputInfo { index, name, .. }: InputInfo| {
            let source = Arc::clone(&source);
            Err(InputError {
                index,
                name,
                source,
            })
        };
        let inputs = self.inputs.into_iter();
        Self {
            patches: Patches::empty(row_len),
            inputs: inputs.map(|input| input.and_then(fail)).collect(),
        }
    }
}

impl Inputs {
    /// Inputs from `sources`, which `processor` turns into patches. Nothing is opened yet.
    pub fn new<S>(
        sources: S,
        processor: Arc<Processor>,
        options: ReadOptions,
        limits: BatchLimits,
    ) -> Self
    where
        S: IntoIterator<Item: Into<InputSource> + 'static, IntoIter: Send + 'static>,
    {
        Self {
            sources: Box::new(
                sources
                    .into_iter()
                    .map(|source| Next::Source(source.into())),
            ),
            processor,
            options,
            limits,
            open: VecDeque::new(),
            count: 0,
        }
    }

    /// The limits of a batch and of the look-ahead.
    #[must_use]
    pub fn limits(&self) -> BatchLimits {
        self.limits
    }

    /// Changes the limits, for example to those of a [`Plan`](crate::Plan). Inputs that are open stay open.
    #[must_use]
    pub fn with_limits(self, limits: BatchLimits) -> Self {
        Self { limits, ..self }
    }

    /// The next inputs, which are open but not decoded. At most 64 inputs are open, with about 32 MiB of files. If they
    /// are too small to fill a batch, up to 1,024 are open. Of videos, about 8 are open. With batches of one patch, one input is
    /// open.
    pub fn look_ahead(&mut self) -> impl Iterator<Item = Result<&InputInfo, &InputError>> {
        self.open_next();
        let open = self.open.iter();
        open.map(|open| open.as_ref().map(|(info, _)| info))
    }

    /// Probes every input that is not read yet, and decodes none. The number of sources must be finite.
    ///
    /// Files and folders after the look-ahead are closed again, so that few inputs are open at a time. Pipes and inputs in
    /// memory can be opened only once. They stay open until they are read.
    pub fn survey(&mut self) -> Vec<Result<InputInfo, InputError>> {
        self.open_next();
        let rest = mem::replace(&mut self.sources, Box::new(iter::empty()));
        let rest: Vec<(Next, usize)> = rest.zip(self.count..).collect();
        let (processor, options) = (&self.processor, &self.options);
        let survey = |(next, index): (Next, usize)| match next {
            Next::Source(source) if source.can_reopen() => {
                let open = open(source.clone(), processor, options, index);
                (open.map(|(info, _)| info), Next::Source(source))
            }
            next => {
                let mut open = next.open(processor, options, index);
                if let Ok((info, _)) = &mut open {
                    info.stays_open = true;
                }
                (known(&open), Next::Open(Box::new(open)))
            }
        };
        let surveyed: Vec<_> = rest.into_par_iter().map(survey).collect();
        let (rest, next): (Vec<_>, Vec<_>) = surveyed.into_iter().unzip();
        self.sources = Box::new(next.into_iter());
        self.open.iter().map(known).chain(rest).collect()
    }

    /// Reads the next batch; all cores decode. Returns `None` after the last input.
    pub fn next_batch(&mut self) -> Option<ReadBatch> {
        let batch = self.open_next().batch;
        let mut probed = Vec::new();
        let inputs = self.open.drain(..batch).map(|open| {
            let (info, source) = open?;
            probed.push(source);
            Ok(info)
        });
        let inputs: Vec<Result<InputInfo, InputError>> = inputs.collect();
        let (patches, errors) = self.processor.read_batch(&probed);
        let mut read = probed.iter().zip(errors);
        let inputs = inputs.into_iter().map(|input| {
            let info = input?;
            let (probed, error) = read.next().expect("each open input is read");
            if let Some(error) = error {
                return Err(InputError::new(info.index, info.name, error));
            }
            let warnings = probed.source.warnings();
            Ok(InputInfo { warnings, ..info })
        });
        let inputs: Vec<_> = inputs.collect();
        (!inputs.is_empty()).then_some(ReadBatch { patches, inputs })
    }

    /// Opens sources until the look-ahead is full. Threads open several at the same time.
    fn open_next(&mut self) -> LookAhead {
        loop {
            let ahead = self.ahead();
            let sources = self.sources.by_ref().take(ahead.to_open);
            let sources: Vec<(Next, usize)> = sources.zip(self.count..).collect();
            if sources.is_empty() {
                return ahead;
            }
            self.count += sources.len();
            let (processor, options) = (&self.processor, &self.options);
            let opened = sources.into_par_iter();
            let opened = opened.map(|(next, index)| next.open(processor, options, index));
            let opened: Vec<_> = opened.collect();
            self.open.extend(opened);
        }
    }

    fn ahead(&self) -> LookAhead {
        let failed = InputSize::image(GridThw::new(0, 0, 0));
        let size = |open: &Result<Open, _>| open.as_ref().map_or(failed, |(info, _)| info.into());
        let (sizes, max_patches) = (self.open.iter().map(size), self.limits.max_batch_patches);
        look_ahead(sizes, max_patches, rayon::current_num_threads())
    }
}

impl Next {
    fn open(
        self,
        processor: &Processor,
        options: &ReadOptions,
        index: usize,
    ) -> Result<Open, InputError> {
        match self {
            Self::Source(source) => open(source, processor, options, index),
            Self::Open(open) => *open,
        }
    }
}

fn known(open: &Result<Open, InputError>) -> Result<InputInfo, InputError> {
    match open {
        Ok((info, _)) => Ok(info.clone()),
        Err(error) => Err(error.clone()),
    }
}

fn open(
    source: InputSource,
    processor: &Processor,
    options: &ReadOptions,
    index: usize,
) -> Result<Open, InputError> {
    let name = source.name(index);
    let probe = |(source, budget): (Source, _)| Ok(processor.probe_within(source, budget)?);
    match source.open(options).and_then(probe) {
        Ok(probed) => Ok((info(&probed, processor, index, name), probed)),
        Err(error) => Err(InputError::new(index, name, error)),
    }
}

fn info(probed: &Probed, processor: &Processor, index: usize, name: String) -> InputInfo {
    let open_bytes = probed.source.stored_bytes();
    InputInfo {
        index,
        name,
        size: probed.size,
        grid: probed.grid,
        kind: probed.kind(),
        frames: probed.frames.clone(),
        tokens: probed.grid.num_tokens(processor.config().merge_size),
        open_bytes,
        decode_bytes: probed.decode_bytes.saturating_sub(open_bytes),
        stays_open: false,
        warnings: probed.source.warnings(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use burn::tensor::FloatDType;
    use glm4v_config::{Preset, SizeBudget};
    use image::DynamicImage;

    use super::*;
    use crate::devices::Backend;
    use crate::pipeline::Fetch;
    use crate::plan::Target;

    fn limits() -> BatchLimits {
        BatchLimits::new(&Target::new(Backend::Flex, FloatDType::F32))
    }

    /// Images with this number of columns of 4 tokens each, and a broken file for 0.
    fn inputs(columns: &'static [usize], limits: BatchLimits) -> (Inputs, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let sources = columns.iter().map(move |&columns| {
            count.fetch_add(1, Ordering::Relaxed);
            match columns {
                0 => InputSource::Bytes {
                    name: "broken.png".into(),
                    bytes: b"\x89PNG\r\n\x1a\n".to_vec(),
                },
                columns => DynamicImage::new_rgb8(28 * columns as u32, 112).into(),
            }
        });
        let processor = Arc::new(Processor::from_preset(Preset::Tiny));
        let inputs = Inputs::new(sources, processor, ReadOptions::default(), limits);
        (inputs, opened)
    }

    fn tokens(input: Result<&InputInfo, &InputError>) -> Option<usize> {
        Some(input.ok()?.tokens)
    }

    #[test]
    fn the_look_ahead_is_bounded() {
        let small = |max_batch_patches| BatchLimits {
            max_batch_patches,
            ..limits()
        };
        let threads = rayon::current_num_threads();
        for (max_batch_patches, expected) in [(1, 1..2), (1000, 64..64 + threads)] {
            let (mut inputs, opened) = inputs(&[4; 100], small(max_batch_patches));
            assert_eq!(opened.load(Ordering::Relaxed), 0);
            let found = inputs.look_ahead().count();
            assert!(expected.contains(&found), "{found}");
            assert_eq!(opened.load(Ordering::Relaxed), found);
        }
        // The sixth image of 5.6 MB exceeds the bytes, and is the last. Threads open several at the same time.
        let (mut large, _) = inputs(&[600; 20], limits());
        let found = large.look_ahead().count();
        assert!((6..6 + threads).contains(&found), "{found}");
    }

    #[test]
    fn a_survey_keeps_open_what_cannot_be_opened_again() {
        let dir = "../../tests/images";
        let file = std::path::Path::new(dir).join("rgb-60x83.png");
        let bytes = std::fs::read(&file).unwrap();
        let memory = InputSource::Bytes {
            name: "memory".into(),
            bytes: bytes.clone(),
        };
        let sources = vec![file.clone().into(), memory, file.into(), "none.png".into()];
        let processor = Arc::new(Processor::from_preset(Preset::Tiny));
        let one_by_one = BatchLimits {
            max_batch_patches: 1,
            ..limits()
        };
        let mut inputs = Inputs::new(sources, processor, ReadOptions::default(), one_by_one);
        let surveyed = inputs.survey();
        let known: Vec<_> = surveyed
            .iter()
            .map(|info| Some((info.as_ref().ok()?.index, info.as_ref().ok()?.stays_open)))
            .collect();
        assert_eq!(
            known,
            [Some((0, false)), Some((1, true)), Some((2, false)), None]
        );
        assert_eq!(inputs.look_ahead().count(), 1);
        let read: Vec<_> = std::iter::from_fn(|| inputs.next_batch()).collect();
        let tokens = |batch: &ReadBatch| tokens(batch.inputs[0].as_ref());
        let read: Vec<_> = read.iter().map(tokens).collect();
        assert_eq!(read, [Some(12), Some(12), Some(12), None]);
    }

    #[test]
    fn batches_are_filled_in_order() {
        let small = BatchLimits {
            max_batch_patches: 4 * 4 * 10,
            ..limits()
        };
        let (mut inputs, _) = inputs(&[4, 5, 6, 4, 20, 5], small);
        let sizes: Vec<_> = inputs.look_ahead().map(tokens).collect();
        assert_eq!(sizes, [16, 20, 24, 16, 80, 20].map(Some));
        let mut batches = Vec::new();
        while let Some(batch) = inputs.next_batch() {
            let indices = batch
                .inputs
                .iter()
                .map(|input| input.as_ref().unwrap().index);
            batches.push((indices.collect::<Vec<_>>(), batch.patches.num_patches()));
        }
        let expected = [
            (vec![0, 1], 4 * 36),
            (vec![2, 3], 4 * 40),
            (vec![4], 4 * 80),
            (vec![5], 4 * 20),
        ];
        assert_eq!(batches, expected);
    }

    #[test]
    fn an_input_that_fails_keeps_its_place() {
        let (mut inputs, _) = inputs(&[5, 0, 4], limits());
        let sizes: Vec<_> = inputs.look_ahead().map(tokens).collect();
        assert_eq!(sizes, [Some(20), None, Some(16)]);
        let batch = inputs.next_batch().unwrap();
        let [Ok(first), Err(second), Ok(third)] = &batch.inputs[..] else {
            panic!("{:?}", batch.inputs);
        };
        assert_eq!((first.index, second.index, third.index), (0, 1, 2));
        assert_eq!(second.to_string().matches("broken.png").count(), 1);
        let grids = [GridThw::new(1, 8, 10), GridThw::new(1, 8, 8)];
        assert_eq!(batch.patches.grids(), grids);
        assert!(inputs.next_batch().is_none());
    }

    #[test]
    fn an_input_can_have_its_own_limits() {
        let image = || InputSource::from(DynamicImage::new_rgb8(280, 280));
        let at_most = |max| {
            image().within(SizeBudget::Tokens {
                min: None,
                max: Some(max),
            })
        };
        let sources = [image(), at_most(25), at_most(0)];
        let processor = Arc::new(Processor::from_preset(Preset::Tiny));
        let mut inputs = Inputs::new(sources, processor, ReadOptions::default(), limits());
        let sizes: Vec<_> = inputs.look_ahead().map(tokens).collect();
        assert_eq!(sizes, [Some(100), Some(25), None]);
        let batch = inputs.next_batch().unwrap();
        let grids = [GridThw::new(1, 20, 20), GridThw::new(1, 10, 10)];
        assert_eq!(batch.patches.grids(), grids);
        let error = batch.inputs[2].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("image 2: field `size"), "{error}");
    }

    #[test]
    fn an_input_that_is_fetched_can_have_its_own_limits() {
        #[derive(Debug)]
        struct Small;

        impl Fetch for Small {
            fn name(&self) -> String {
                "small".into()
            }

            fn can_refetch(&self) -> bool {
                true
            }

            fn fetch(&self) -> Result<InputSource, Box<dyn std::error::Error + Send + Sync>> {
                let image = InputSource::from(DynamicImage::new_rgb8(280, 280));
                let (min, max) = (None, Some(25));
                Ok(image.within(SizeBudget::Tokens { min, max }))
            }
        }
        let outer = SizeBudget::Tokens {
            min: None,
            max: Some(16),
        };
        let fetched = || InputSource::Fetched(Arc::new(Small));
        let sources = [fetched(), fetched().within(outer)];
        let processor = Arc::new(Processor::from_preset(Preset::Tiny));
        let mut inputs = Inputs::new(sources, processor, ReadOptions::default(), limits());
        let sizes: Vec<_> = inputs.look_ahead().map(tokens).collect();
        assert_eq!(sizes, [Some(25), Some(16)]);
    }

    #[test]
    fn a_batch_of_failures_has_no_patches() {
        let (mut inputs, _) = inputs(&[0, 0], limits());
        let batch = inputs.next_batch().unwrap();
        assert_eq!((batch.inputs.len(), batch.patches.num_patches()), (2, 0));
        assert!(inputs.next_batch().is_none());
    }
}
