use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glm4v_model::CancelToken;
use glm4v_preprocess::{Patches, ReadOptions};

use super::{Batches, InputError, InputInfo, InputSource, Inputs, ReadBatch};
use crate::batching::FrameSpan;
use crate::{Embeddings, EncodeOptions, VisionEncoder};

/// The embeddings of one image or video. [`crate`] has an example.
#[derive(Clone, Debug)]
pub struct Item {
    /// The image or video.
    pub input: InputInfo,
    /// Its embeddings, on the device.
    pub embeddings: Embeddings,
}

/// The items of [`VisionEncoder::encode_inputs`], in the order of the sources.
///
/// An input that fails is an [`InputError`], and does not affect the others.
pub struct Items<'a> {
    encoder: &'a VisionEncoder,
    batches: Batches,
    cancel: Option<CancelToken>,
    /// Items of the last batch.
    ready: VecDeque<Result<Item, InputError>>,
}

impl VisionEncoder {
    /// Encodes files, one batch after another: images, videos, animated images, and folders with the frames of a video.
    ///
    /// Memory does not grow with the number of files. On GPUs the next batch is read while one is encoded.
    pub fn encode_paths<P>(&self, paths: impl IntoIterator<Item = P>) -> Items<'_>
    where
        P: AsRef<Path>,
    {
        let path = |path: P| path.as_ref().to_owned();
        self.encode_sources(paths.into_iter().map(path).collect::<Vec<PathBuf>>())
    }

    /// [`VisionEncoder::encode_paths`] for sources of any kind. The iterator can be endless.
    pub fn encode_sources<S>(&self, sources: S) -> Items<'_>
    where
        S: IntoIterator<Item: Into<InputSource> + 'static, IntoIter: Send + 'static>,
    {
        self.encode_inputs(self.inputs(sources), None)
    }

    /// Encodes inputs until `cancel` stops it. The inputs of a cancelled batch have
    /// [`Error::Cancelled`](crate::Error::Cancelled); no batch follows.
    pub fn encode_inputs(&self, inputs: Inputs, cancel: Option<CancelToken>) -> Items<'_> {
        Items {
            encoder: self,
            batches: Batches::new(inputs),
            cancel,
            ready: VecDeque::new(),
        }
    }

    /// Encodes a batch that was read. The result has every input of the batch, in order, also those that failed.
    ///
    /// If the batch does not fit into the memory, its inputs are encoded one by one. Those that do not fit alone fail.
    pub fn encode_batch(
        &self,
        batch: ReadBatch,
        cancel: Option<&CancelToken>,
    ) -> Vec<Result<Item, InputError>> {
        let options = EncodeOptions::default();
        self.fitting(batch, &options, |_| false)
            .flat_map(|part| self.encode_fitting(part, cancel))
            .collect()
    }

    fn encode_fitting(
        &self,
        batch: ReadBatch,
        cancel: Option<&CancelToken>,
    ) -> Vec<Result<Item, InputError>> {
        let patches = &batch.patches;
        let embeddings = match patches.spans() {
            // All inputs of the batch failed.
            [] => Ok(Vec::new()),
            [..] => {
                let batch = self.encode_tensor(patches, cancel);
                batch.map(|batch| batch.items().collect())
            }
        };
        let mut embeddings = embeddings.map(Vec::into_iter).map_err(Arc::new);
        let mut item = |input: InputInfo| match &mut embeddings {
            Ok(items) => {
                let embeddings = items.next().expect("one item for each input of a batch");
                Ok(Item { input, embeddings })
            }
            Err(error) => Err(InputError {
                index: input.index,
                name: input.name,
                source: Arc::clone(error),
            }),
        };
        let inputs = batch.inputs.into_iter();
        inputs.map(|input| item(input?)).collect()
    }

    /// The batch if it fits into the memory, or else its inputs one by one. Those that do not fit alone are errors, unless
    /// `is_known` says that their embeddings are known.
    pub fn fitting<'a>(
        &'a self,
        batch: ReadBatch,
        options: &'a EncodeOptions,
        is_known: impl Fn(&Patches) -> bool + 'a,
    ) -> impl Iterator<Item = ReadBatch> + 'a {
        let spans = batch.patches.spans().iter();
        let spans: Vec<FrameSpan> = spans.map(|span| (span.grid, span.kind)).collect();
        let fit = match spans.is_empty() {
            true => Ok(()),
            false => self.fit(&spans, options, 0),
        };
        let parts = match (fit, &spans[..]) {
            (Err(error), [_]) if !is_known(&batch.patches) => vec![batch.failed(error)],
            (Ok(()), _) | (Err(_), [_]) => vec![batch],
            (Err(_), _) => batch.one_by_one(),
        };
        // One part was checked as the whole.
        let is_split = parts.len() > 1;
        // The rows of the parts whose turn comes later.
        let mut held: u64 = parts.iter().map(ReadBatch::bytes).sum();
        parts.into_iter().map(move |part| {
            held -= part.bytes();
            match &part.inputs[..] {
                [Ok(input)] if is_split => {
                    match self.fit(&[(input.grid, input.kind)], options, held) {
                        Err(error) if !is_known(&part.patches) => part.failed(error),
                        Ok(()) | Err(_) => part,
                    }
                }
                _ => part,
            }
        })
    }

    /// Inputs for this encoder, with its limits and the default [`ReadOptions`].
    pub fn inputs<S>(&self, sources: S) -> Inputs
    where
        S: IntoIterator<Item: Into<InputSource> + 'static, IntoIter: Send + 'static>,
    {
        let processor = Arc::clone(self.processor());
        Inputs::new(sources, processor, ReadOptions::default(), self.limits())
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
                return None;
            }
            let batch = self.batches.next()?;
            let items = self.encoder.encode_batch(batch, self.cancel.as_ref());
            self.ready = items.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use glm4v_config::{GridThw, Preset};
    use image::DynamicImage;

    use super::*;
    use crate::plan::{BatchLimits, InputSize};
    use crate::{Error, LoadOptions};

    fn encoder() -> VisionEncoder {
        VisionEncoder::random(Preset::Tiny, 0, &LoadOptions::default()).unwrap()
    }

    fn sources() -> [InputSource; 3] {
        [
            DynamicImage::new_rgb8(56, 84).into(),
            "no-such.png".into(),
            DynamicImage::new_rgb8(112, 56).into(),
        ]
    }

    #[test]
    fn an_input_that_fails_does_not_affect_the_others() {
        let encoder = encoder();
        let items: Vec<_> = encoder.encode_sources(sources()).collect();
        let [Ok(first), Err(error), Ok(third)] = &items[..] else {
            panic!("{items:?}");
        };
        assert_eq!(
            (first.input.index, error.index, third.input.index),
            (0, 1, 2)
        );
        assert!(matches!(*error.source, Error::Preprocess(_)), "{error}");
        let alone = encoder.encode_images(&[DynamicImage::new_rgb8(112, 56)]);
        let alone = alone.unwrap().into_values().unwrap();
        assert_eq!(third.embeddings.clone().into_values().unwrap(), alone);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_the_error_of_its_inputs() {
        let encoder = encoder().with_max_memory(1000);
        let items: Vec<_> = encoder.encode_sources(sources()).collect();
        let errors: Vec<_> = items
            .iter()
            .map(|item| item.as_ref().unwrap_err())
            .collect();
        assert!(matches!(*errors[0].source, Error::Memory { .. }));
        assert!(errors[0].to_string().starts_with("image 0: needs at least"));
        assert!(errors[1].to_string().starts_with("no-such.png: "));
        assert!(errors[2].to_string().starts_with("image 2: "));
    }

    /// The small images have 16 and 64 patches, and the large one has 6,400.
    #[test]
    fn an_input_that_does_not_fit_fails_alone() {
        let images = || {
            let sides = [(56, 56), (1120, 1120), (112, 112)];
            sides.map(|(width, height)| InputSource::from(DynamicImage::new_rgb8(width, height)))
        };
        let free = encoder();
        let host = |side| {
            free.plan(&[InputSize::image(GridThw::new(1, side, side))])
                .unwrap()
                .host
        };
        let expected: Vec<_> = free.encode_sources(images()).map(Result::unwrap).collect();
        let limited = |bytes| encoder().with_max_memory(bytes);
        // The large one fits alone, but not with the others.
        let enough = limited(host(80) + 200_000);
        let items = enough.encode_sources(images()).map(Result::unwrap);
        assert!(
            items
                .map(|item| item.input)
                .eq(expected.iter().map(|item| item.input.clone()))
        );

        let limited = limited(host(80) - 1_000_000);
        let items: Vec<_> = limited.encode_sources(images()).collect();
        let [Ok(first), Err(error), Ok(third)] = &items[..] else {
            panic!("{items:?}");
        };
        assert!(
            matches!(*error.source, Error::Memory { .. }) && error.index == 1,
            "{error}"
        );
        assert!(
            error.to_string().starts_with("image 1: needs at least"),
            "{error}"
        );
        for (item, expected) in [(first, &expected[0]), (third, &expected[2])] {
            assert_eq!(item.input, expected.input);
            let values = |item: &Item| item.embeddings.clone().into_values().unwrap();
            assert_eq!(values(item), values(expected));
        }
    }

    #[test]
    fn a_cancelled_pipeline_ends() {
        let encoder = encoder();
        let one_by_one = BatchLimits {
            max_batch_patches: 1,
            ..encoder.limits()
        };
        let cancel = CancelToken::new();
        let inputs = encoder.inputs(sources()).with_limits(one_by_one);
        let mut items = encoder.encode_inputs(inputs, Some(cancel.clone()));
        assert!(items.next().unwrap().is_ok());
        cancel.cancel();
        assert!(items.next().is_none());

        let patches = encoder
            .processor()
            .preprocess_images(&[DynamicImage::new_rgb8(56, 84)]);
        let options = crate::EncodeOptions {
            cancel: Some(cancel),
            ..Default::default()
        };
        let error = encoder
            .encode_with(&patches.unwrap(), &options)
            .unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}
