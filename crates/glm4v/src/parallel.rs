use std::panic::resume_unwind;
use std::thread;

use burn::tensor::{DType, Device, StreamId, Tensor, TensorData};
use glm4v_model::Footprint;
use glm4v_preprocess::Patches;

use crate::pieces::{Part, Piece, shares};
use crate::{Embeddings, Error, VisionEncoder, values};

/// One tower on several devices: the frames of a batch are dealt out among them and encoded at the same time.
///
/// ```
/// use glm4v::{DeviceSpecs, ParallelEncoder, Preset, VisionEncoder};
///
/// # fn main() -> Result<(), glm4v::Error> {
/// let devices = "auto".parse::<DeviceSpecs>()?.find()?; // or cuda:all
/// let encoders = devices.iter().map(|device| VisionEncoder::random(Preset::Tiny, 0, &device.spec.open()?));
/// let encoder = ParallelEncoder::new(encoders.collect::<Result<_, _>>()?)?;
/// let photos = [(640, 480), (300, 300)].map(|(width, height)| glm4v::image::DynamicImage::new_rgb8(width, height));
/// let patches = encoder.encoders()[0].processor().images(&photos)?;
/// assert_eq!(encoder.encode(&patches)?.num_tokens(), 391 + 121);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ParallelEncoder {
    encoders: Vec<VisionEncoder>,
}

impl ParallelEncoder {
    /// Encoders with the same weights, each on a device of its own. Each keeps to its own limits of memory.
    ///
    /// # Errors
    /// [`Error::Towers`] where there is none, or their configurations differ.
    pub fn new(encoders: Vec<VisionEncoder>) -> Result<Self, Error> {
        let Some(first) = encoders.first() else {
            let found = "none".to_owned();
            return Err(Error::Towers { found });
        };
        let other = encoders
            .iter()
            .position(|one| one.config() != first.config());
        match other {
            Some(index) => Err(Error::Towers {
                found: format!("another configuration in encoder {index}"),
            }),
            None => Ok(Self { encoders }),
        }
    }

    /// The encoders, one a device.
    #[must_use]
    pub fn encoders(&self) -> &[VisionEncoder] {
        &self.encoders
    }

    /// The embeddings of a packed batch, on the first device.
    ///
    /// # Errors
    /// As [`ParallelEncoder::encode_values`].
    pub fn encode(&self, patches: &Patches) -> Result<Embeddings, Error> {
        self.encode_to(patches, &self.encoders[0].model().device())
    }

    /// The embeddings of a packed batch, on `device`, in the type that the first encoder computes in.
    ///
    /// # Errors
    /// As [`ParallelEncoder::encode_values`].
    pub fn encode_to(&self, patches: &Patches, device: &Device) -> Result<Embeddings, Error> {
        let first = &self.encoders[0];
        let values = self.encode_values(patches)?;
        let width = first.config().out_hidden_size;
        let shape = [values.len() / width, width];
        let data = TensorData::new(values, shape);
        let dtype = DType::from(first.model().arithmetic().dtype());
        let embeddings = Tensor::from_data(data, (device, dtype));
        Ok(first.embeddings(embeddings, patches))
    }

    /// The embeddings of a packed batch as values on the host, row by row in the batch's order. Every device takes
    /// consecutive frames, as many as make the operations of all alike, and some none where there are fewer frames than
    /// devices.
    ///
    /// # Errors
    /// [`Error::Patches`] for patches that are not this tower's; [`Error::OnDevice`] with what one of the devices cannot do.
    ///
    /// # Panics
    /// Where burn does, on any of the devices.
    pub fn encode_values(&self, patches: &Patches) -> Result<Vec<f32>, Error> {
        let first = &self.encoders[0];
        first.check(patches)?;
        let footprint = Footprint::new(first.config(), first.model().arithmetic());
        let cost = |frame| footprint.operations(frame);
        let shares = shares(&Part::of_patches(patches), self.encoders.len(), cost);
        // A stream of a thread's own would begin with empty pools of memory each time; the caller's goes on.
        let stream = StreamId::current();
        let encode = |(encoder, share): (&VisionEncoder, &Piece)| {
            stream.executes(|| {
                values(encoder.encode_from(patches, share.rows.start, &share.parts)?)
            })
        };
        let parts: Vec<_> = thread::scope(|scope| {
            let mut shares = self.encoders.iter().zip(&shares);
            // The calling thread works as well: of one device, it alone.
            let own = shares.next();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(move || encode(share)))
                .collect();
            let own = own.map(encode).into_iter();
            let others = others.into_iter().map(|thread| thread.join());
            own.chain(others.map(|part| part.unwrap_or_else(|panic| resume_unwind(panic))))
                .collect()
        });
        let named = |(index, part): (usize, Result<Vec<f32>, Error>)| {
            part.map_err(|error| self.on_device(index, error))
        };
        let parts = parts.into_iter().enumerate().map(named);
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => parts.concat(),
        })
    }

    /// `source`, and on which of several devices.
    fn on_device(&self, index: usize, source: Error) -> Error {
        if self.encoders.len() == 1 {
            return source;
        }
        Error::OnDevice {
            index,
            count: self.encoders.len(),
            device: format!("{:?}", self.encoders[index].model().device()),
            source: source.into(),
        }
    }
}
