//! `VisionEncoder` for Python.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use glm4v::config::PatchKind;
use glm4v::pipeline::{Batches, InputInfo, Inputs};
use glm4v::plan::InputSize;
use glm4v::preprocess::unpatchify;
use glm4v::viz::{colors, overlay, principal_components, sheet};
use glm4v::{
    AttentionQuery, CancelToken, EncodeOptions, EncodeOutput, Error, GridThw, InputError,
    LoadOptions, Patches, Plan, Tensor, VisionEncoder, values,
};
use ndarray::{Array, Array2, Array3, Dim, Dimension, IntoDimension};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyArray4, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};

use crate::content::{Content, Keep};
use crate::encoded::{Described, described};
use crate::feed::{Feed, Sources};
use crate::items::Items;
use crate::options::{Device, Files, Model, Origin, Reading};
use crate::processor::Processor;
use crate::{errors, threads};

/// The encoder of `glm4v.VisionEncoder`.
#[pyclass(frozen, module = "glm4v._native")]
pub(crate) struct Encoder {
    encoder: Arc<VisionEncoder>,
    /// `None` for a tower that was made from tensors in memory.
    content: Option<Arc<Content>>,
}

/// Extra outputs of one input.
type Extra<'py> = (
    Described,
    Vec<Bound<'py, PyArray4<f32>>>,
    Vec<Bound<'py, PyArray3<f32>>>,
);
/// Embeddings, and the last hidden state if it was asked for.
type Output<'py> = (Bound<'py, PyArray2<f32>>, Option<Bound<'py, PyArray2<f32>>>);

impl From<VisionEncoder> for Encoder {
    fn from(encoder: VisionEncoder) -> Self {
        Self {
            encoder: Arc::new(encoder),
            content: None,
        }
    }
}

#[pymethods]
impl Encoder {
    /// Loads a model onto a device.
    #[staticmethod]
    fn load(py: Python<'_>, model: Model, device: Device, keep: Keep) -> PyResult<Self> {
        model.warn_of_revision(py)?;
        let cache = keep.open();
        let cache = cache.map_err(|error| errors::of_store(py, &error))?;
        let options = device.options(py, model.budget(py)?)?;
        let processor = model.processor();
        let options = LoadOptions {
            processor: processor.map_err(|error| errors::exception(py, &error))?,
            ..options
        };
        let dtype = options.dtype;
        let work = move |cancel: &CancelToken| {
            let origin = model.find(Files::Tower, cancel)?;
            let encoder = match &origin {
                Origin::Preset(preset, seed) => VisionEncoder::random(*preset, *seed, &options),
                Origin::Local(path) => VisionEncoder::load(path, &options),
            };
            Ok::<_, Error>((encoder?, origin))
        };
        let loaded = threads::run(py, work)?;
        let (encoder, origin) = loaded.map_err(|error| errors::exception(py, &error))?;
        Ok(Self {
            encoder: Arc::new(encoder),
            content: Some(Arc::new(Content::new(origin, dtype, cache))),
        })
    }

    /// The vision configuration as JSON.
    fn config(&self) -> String {
        serde_json::json!(self.encoder.config()).to_string()
    }

    /// What burn calls the devices.
    fn devices(&self) -> Vec<String> {
        let devices = self.encoder.devices();
        devices.map(|device| format!("{device:?}")).collect()
    }

    /// What the cache of packed weights did.
    fn packing(&self) -> Option<String> {
        self.encoder.packing().map(ToString::to_string)
    }

    fn processor(&self) -> Processor {
        Arc::clone(self.encoder.processor()).into()
    }

    /// The items of the sources. With `uuid`, each has a name that depends on its content.
    fn items(&self, sources: &Bound<'_, PyIterator>, reading: Reading, uuid: bool) -> Items {
        let (feed, sources) = Feed::new(sources);
        let batches = Batches::new(inputs(&self.encoder, sources, &reading));
        let content = self.content.clone();
        let content = content.filter(|content| uuid || content.has_cache());
        Items::new(Arc::clone(&self.encoder), content, feed, batches)
    }

    /// The seconds of one call of the library with the one source, without Python. This is for the tests.
    fn _seconds(&self, py: Python<'_>, sources: &Bound<'_, PyIterator>) -> PyResult<f64> {
        let source = sources.clone().next().expect("there is one source")?;
        let source = crate::source::source(&source)?;
        let encoder = Arc::clone(&self.encoder);
        threads::run(py, move |_| {
            let start = Instant::now();
            for item in encoder.encode_sources([source]) {
                let values = item.map(|item| item.embeddings.into_values());
                drop(std::hint::black_box(values));
            }
            start.elapsed().as_secs_f64()
        })
    }

    /// The fields of `glm4v.Plan`. A source whose index is in `sizes` stands for an image of (height, width) pixels.
    fn plan<'py>(
        &self,
        py: Python<'py>,
        sources: &Bound<'py, PyIterator>,
        sizes: HashMap<usize, (usize, usize)>,
        reading: Reading,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (mut feed, sources) = Feed::new(sources);
        let encoder = Arc::clone(&self.encoder);
        let work = move |_: &CancelToken| {
            let surveyed = inputs(&encoder, sources, &reading).survey().into_iter();
            let size = |(index, input): (usize, Result<InputInfo, InputError>)| {
                let Some(&(height, width)) = sizes.get(&index) else {
                    return Ok(InputSize::from(&input?));
                };
                let grid = encoder.processor().grid(height, width);
                grid.map(InputSize::image).map_err(|error| InputError {
                    index,
                    name: format!("{width}x{height}"),
                    source: Arc::new(error.into()),
                })
            };
            let inputs: Vec<_> = surveyed.enumerate().map(size).collect::<Result<_, _>>()?;
            Ok((inputs.len(), encoder.plan(&inputs)))
        };
        let planned = feed.run(py, work)?;
        if let Some(exception) = feed.take_exception() {
            return Err(exception);
        }
        let (count, plan) = planned.map_err(|error| errors::of_input(py, &error))?;
        let plan = plan.map_err(|error| errors::exception(py, &error))?;
        plan_dict(py, count, &plan)
    }

    /// Outputs of blocks, and the attention of patches `(block, t, y, x)`, of the one source.
    fn inspect<'py>(
        &self,
        py: Python<'py>,
        sources: &Bound<'py, PyIterator>,
        hidden_states: Vec<usize>,
        attention: Vec<(usize, usize, usize, usize)>,
        reading: Reading,
    ) -> PyResult<Extra<'py>> {
        let query = |(block, t, y, x)| AttentionQuery {
            block,
            item: 0,
            t,
            y,
            x,
        };
        let (encoder, attention) = (
            Arc::clone(&self.encoder),
            attention.into_iter().map(query).collect(),
        );
        let work = move |input, patches: Patches, cancel: &CancelToken| {
            let options = EncodeOptions {
                hidden_states,
                attention,
                cancel: Some(cancel.clone()),
                ..EncodeOptions::default()
            };
            let output = encoder.encode_with(&patches, &options)?;
            let hidden_states = output.hidden_states.into_iter().flatten();
            let hidden_states = hidden_states.map(array).collect::<Result<Vec<_>, _>>()?;
            let attention = output.attention.into_iter().map(array);
            let attention = attention.collect::<Result<Vec<_>, _>>()?;
            Ok((input, hidden_states, attention))
        };
        let (input, hidden_states, attention) = self.read_one(py, sources, &reading, work)?;
        Ok((
            described(input),
            hidden_states
                .into_iter()
                .map(|map| map.into_pyarray(py))
                .collect(),
            attention
                .into_iter()
                .map(|map| map.into_pyarray(py))
                .collect(),
        ))
    }

    /// A drawing of the one source: the principal components of the embeddings, or of the output of a block, as colors.
    ///
    /// # Shapes
    /// - output: uint8 `[height, width, 3]`
    fn viz<'py>(
        &self,
        py: Python<'py>,
        sources: &Bound<'py, PyIterator>,
        block: Option<usize>,
        opacity: f32,
        reading: Reading,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let encoder = Arc::clone(&self.encoder);
        let work = move |_, patches: Patches, cancel: &CancelToken| {
            let options = EncodeOptions {
                hidden_states: block.into_iter().collect(),
                cancel: Some(cancel.clone()),
                ..EncodeOptions::default()
            };
            let features = features(encoder.encode_with(&patches, &options)?)?;
            draw(&encoder, &patches, features, opacity)
        };
        let drawing = self.read_one(py, sources, &reading, work)?;
        let drawing = drawing.ok_or_else(|| {
            let message = "a drawing needs at least 3 tokens with finite values: use a larger input, or `block` to draw \
                           patches";
            errors::refused(py, message)
        })?;
        Ok(drawing.into_pyarray(py))
    }

    /// Embeddings of the reference's rows, and the last hidden state if it is asked for.
    ///
    /// # Shapes
    /// - pixel_values: `[patches, channels · temporal_patch_size · patch_size²]`
    /// - grids: (t, h, w) of each item
    /// - outputs: `[tokens, out_hidden_size]`
    fn encode_pixel_values<'py>(
        &self,
        py: Python<'py>,
        pixel_values: PyReadonlyArray2<'py, f32>,
        grids: Vec<(usize, usize, usize)>,
        last_hidden_state: bool,
    ) -> PyResult<Output<'py>> {
        let encoder = Arc::clone(&self.encoder);
        let rows = pixel_values.as_array().to_owned();
        let grids = grids
            .into_iter()
            .map(|(t, h, w)| GridThw::new(t, h, w))
            .collect();
        let work = move |cancel: &CancelToken| {
            let patches = Patches::from_pixel_values(rows, grids)?;
            let options = EncodeOptions {
                last_hidden_state,
                cancel: Some(cancel.clone()),
                ..EncodeOptions::default()
            };
            let output = encoder.encode_with(&patches, &options)?;
            let hidden = output.last_hidden_state.map(array).transpose()?;
            Ok::<_, Error>((array(output.embeddings.tensor)?, hidden))
        };
        let (embeddings, hidden) =
            threads::run(py, work)?.map_err(|error| errors::exception(py, &error))?;
        Ok((
            embeddings.into_pyarray(py),
            hidden.map(|hidden| hidden.into_pyarray(py)),
        ))
    }
}

impl Encoder {
    /// Reads the one source, and runs `work` with it.
    fn read_one<T: Send + 'static>(
        &self,
        py: Python<'_>,
        sources: &Bound<'_, PyIterator>,
        reading: &Reading,
        work: impl FnOnce(InputInfo, Patches, &CancelToken) -> Result<T, Error> + Send + 'static,
    ) -> PyResult<T> {
        let (mut feed, sources) = Feed::new(sources);
        let mut inputs = inputs(&self.encoder, sources, reading);
        let work = move |cancel: &CancelToken| {
            let mut batch = inputs.next_batch()?;
            let input = batch.inputs.pop()?;
            Some(input.map(|input| work(input, batch.patches, cancel)))
        };
        let result = feed.run(py, work)?;
        if let Some(exception) = feed.take_exception() {
            return Err(exception);
        }
        let result = result.expect("there is one source");
        let result = result.map_err(|error| errors::of_input(py, &error))?;
        result.map_err(|error| errors::exception(py, &error))
    }
}

/// The sources as inputs of an encoder.
fn inputs(encoder: &VisionEncoder, sources: Sources, reading: &Reading) -> Inputs {
    let processor = Arc::clone(encoder.processor());
    Inputs::new(sources, processor, reading.options(), encoder.limits())
}

/// The values of a tensor.
fn array<const D: usize>(tensor: Tensor<D>) -> Result<Array<f32, Dim<[usize; D]>>, Error>
where
    Dim<[usize; D]>: Dimension,
    [usize; D]: IntoDimension<Dim = Dim<[usize; D]>>,
{
    let shape = tensor.dims();
    let array = Array::from_shape_vec(shape.into_dimension(), values(tensor)?);
    Ok(array.expect("a tensor has the values of its shape"))
}

/// What is drawn: rows, and their grid.
fn features(output: EncodeOutput) -> Result<(Array2<f32>, [usize; 3]), Error> {
    let block = output.hidden_states.into_iter().flatten().next();
    let map = block.unwrap_or_else(|| output.embeddings.map());
    let [t, h, w, width] = map.dims();
    let rows = Array2::from_shape_vec((t * h * w, width), values(map)?);
    Ok((rows.expect("each place has one row"), [t, h, w]))
}

/// `None` if there are too few rows, or values that are not finite.
fn draw(
    encoder: &VisionEncoder,
    patches: &Patches,
    (rows, [_, h, w]): (Array2<f32>, [usize; 3]),
    opacity: f32,
) -> Result<Option<Array3<u8>>, Error> {
    const COMPONENTS: usize = 3;
    if rows.nrows() < COMPONENTS || !rows.iter().all(|value| value.is_finite()) {
        return Ok(None);
    }
    let input = patches.iter().next().expect("the batch has one input");
    let config = match input.kind {
        PatchKind::Image => encoder.processor().config(),
        PatchKind::Video => &encoder.processor().video()?.config().frames,
    };
    let colors = colors(principal_components(rows.view(), COMPONENTS).view());
    let mut frames = Vec::new();
    for (frame, colors) in colors.chunks_exact(h * w).enumerate() {
        let input = patches.iter().next().expect("the batch has one input");
        let mut image = unpatchify(config, input, frame)?;
        overlay(&mut image, colors, (h, w), opacity);
        frames.push(image);
    }
    let sheet = sheet(&frames);
    let shape = (sheet.height() as usize, sheet.width() as usize, 3);
    let pixels = Array3::from_shape_vec(shape, sheet.into_raw());
    Ok(Some(pixels.expect("a pixel has three values")))
}

fn plan_dict<'py>(py: Python<'py>, inputs: usize, plan: &Plan) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in [
        ("inputs", inputs as u64),
        ("patches", plan.patches as u64),
        ("tokens", plan.tokens as u64),
        ("operations", plan.operations),
        ("weights", plan.weights),
        ("patch_rows", plan.patch_rows),
        ("reading", plan.reading),
        ("activations", plan.activations),
        ("embeddings", plan.embeddings),
        ("host", plan.host),
    ] {
        dict.set_item(name, value)?;
    }
    dict.set_item("device", plan.device)?;
    Ok(dict)
}
