mod sheet;

use std::sync::Arc;

use anyhow::{Result, ensure};
use glm4v::{
    ImageProcessorConfig, Patches, VisionEncoder, Wanted, colours, image::RgbImage,
    principal_components, unpatchify, values,
};
use ndarray::ArrayView2;
use serde_json::json;

use self::sheet::sheet;
use crate::args::{InputArgs, VizArgs};
use crate::commands::encode::packed;
use crate::console::{Console, Report};
use crate::devices::Devices;
use crate::forecast::{Ahead, Fitting, Kept, Work};
use crate::inputs::{self, Inputs};
use crate::room::Room;
use crate::stages::Stages;
use crate::weights::Weights;
use crate::{atomic, layout};

/// Red, green and blue.
const COMPONENTS: usize = 3;

/// An input to a picture of what the encoder tells apart in it.
pub(crate) fn run(args: VizArgs, console: &Console) -> Result<()> {
    let compute = &args.compute;
    let weights = Weights::new(compute, console)?;
    let config = weights.config()?;
    let processor = inputs::with_sampling(weights.processor()?, &args.reading)?;
    let processor = Arc::new(processor);
    let devices = Devices::find_one(&compute.device, "viz")?;
    atomic::check(&args.output)?;

    let mut stages = Stages::default();
    let input = InputArgs {
        inputs: vec![args.input],
        reading: args.reading,
    };
    let block_bytes = (config.hidden_size * size_of::<f32>()) as u64;
    let target = devices.target(&compute.device);
    let fitting = Fitting {
        work: Work {
            config: &config,
            target,
            kept: Kept {
                patch: args.block.map_or(0, |_| block_bytes),
                token: 0,
            },
        },
        room: Room::new(compute.device.max_memory),
        device: devices.tightest(),
    };
    let mut inputs = Inputs::new(input, &processor, Ahead::usual(target), console)?;
    let (batch, cut) = stages.time("read", || fitting.first_batch(&mut inputs))?;
    drop(inputs);
    let (about, patches) = packed(batch.unwrap_or_default())?;
    weights.announce(console);
    let encoder = {
        let _spinner = console.progress("loading weights", None);
        let bound = |encoder| fitting.bound(encoder, cut);
        stages.time("load", || devices.load(&weights, compute, bound))?
    };
    let encoder = &encoder.encoders()[0];
    let features = stages.time("encode", || Features::of(encoder, &patches, args.block))?;
    let picture = stages.time("draw", || {
        let config = match about[0].frames {
            Some(_) => &processor.video()?.config().frames,
            None => processor.config(),
        };
        draw(config, &patches, &features, args.opacity)
    })?;
    atomic::write(&args.output, |writer| {
        let encoder = glm4v::image::codecs::png::PngEncoder::new(writer);
        Ok(picture.write_with_encoder(encoder)?)
    })?;

    let size = format!("{}×{}", picture.width(), picture.height());
    let pairs = layout::pairs(&[
        ("weights", weights.to_string()),
        ("drawn", features.name()),
        ("picture", size),
        ("time", stages.to_string()),
        ("written", args.output.display().to_string()),
    ]);
    console.report(&Report {
        text: format!("{}\n{pairs}", inputs::table(&about)),
        json: json!({
            "inputs": inputs::json(&about),
            "weights": weights.json(),
            "block": args.block,
            "width": picture.width(),
            "height": picture.height(),
            "seconds": stages.json(),
            "output": args.output.to_string_lossy(),
        }),
    })
}

/// Rows of the tower that lie over the input: t frames of h rows and w columns.
struct Features {
    block: Option<usize>,
    values: Vec<f32>,
    shape: [usize; 4],
}

impl Features {
    fn of(encoder: &VisionEncoder, patches: &Patches, block: Option<usize>) -> Result<Self> {
        let map = match block {
            None => {
                let embeddings = encoder.encode(patches)?;
                embeddings.items().next().map(|item| item.map())
            }
            Some(block) => {
                let wanted = Wanted {
                    hidden_states: vec![block],
                    ..Wanted::default()
                };
                let details = encoder.encode_with(patches, &wanted)?;
                details.hidden_states.into_iter().flatten().next()
            }
        };
        let map = map.expect("an input is an item");
        Ok(Self {
            block,
            shape: map.dims(),
            values: values(map)?,
        })
    }

    fn name(&self) -> String {
        let [t, h, w, width] = self.shape;
        let what = match self.block {
            None => "embeddings".to_owned(),
            Some(block) => format!("output of block {block}"),
        };
        format!("{what}, {t}×{h}×{w} of width {width}")
    }

    /// A colour for each place, the same throughout a clip.
    fn colours(&self) -> Result<Vec<[u8; 3]>> {
        let [t, h, w, width] = self.shape;
        ensure!(
            t * h * w >= COMPONENTS,
            "expected at least {COMPONENTS} tokens to tell apart, found {}; --block N draws patches",
            t * h * w
        );
        let odd = self
            .values
            .iter()
            .filter(|value| !value.is_finite())
            .count();
        ensure!(
            odd == 0,
            "{odd} values are infinite or not a number: there is nothing to draw"
        );
        let rows = ArrayView2::from_shape((t * h * w, width), &self.values)?;
        Ok(colours(principal_components(rows, COMPONENTS).view()))
    }
}

/// The frames with the colours over them, in a sheet.
fn draw(
    config: &ImageProcessorConfig,
    patches: &Patches,
    features: &Features,
    opacity: f32,
) -> Result<RgbImage> {
    let [t, h, w, _] = features.shape;
    let colours = features.colours()?;
    let item = patches.iter().next().expect("an input is an item");
    let rows = item.pixel_values();
    let mut frames = Vec::with_capacity(t);
    for frame in 0..t {
        let mut picture = unpatchify(config, item.grid, rows.view(), frame)?;
        let own = &colours[frame * h * w..][..h * w];
        lay_over(&mut picture, own, (h, w), opacity);
        frames.push(picture);
    }
    Ok(sheet(&frames))
}

fn lay_over(picture: &mut RgbImage, colours: &[[u8; 3]], (h, w): (usize, usize), opacity: f32) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let colour = colours[y as usize * h / height * w + x as usize * w / width];
        for (level, colour) in pixel.0.iter_mut().zip(colour) {
            let mixed = f32::from(*level) * (1.0 - opacity) + f32::from(colour) * opacity;
            *level = mixed.round() as u8;
        }
    }
}
