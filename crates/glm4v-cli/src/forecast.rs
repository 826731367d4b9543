//! What a command will hold in memory, from the sizes of its inputs.

use std::collections::VecDeque;

use anyhow::{Result, anyhow};
use glm4v::{
    Cut, DeviceInfo, Footprint, GridThw, Patches, Plan, Target, VisionConfig, VisionEncoder,
    available_memory,
};

use crate::args::DeviceArgs;
use crate::inputs::{About, Inputs};
use crate::layout;

/// The program itself: its code as far as it is used, its threads, and what the allocator keeps.
const PROGRAM: u64 = 18 << 20;
/// Frames of a clip that are in memory in full size.
const FRAMES_AT_ONCE: u64 = 8;
/// Bytes of a pixel, and of a value.
const RGB: u64 = 3;
const F32: u64 = 4;

/// Where a tower runs, as far as memory is concerned.
pub(crate) fn target(device: &DeviceInfo, args: &DeviceArgs) -> Target {
    let backend = device.spec.backend.expect("a device has a backend");
    Target {
        max_buffer: device.max_buffer,
        ..Target::new(backend, args.dtype.into())
    }
}

/// How far inputs are read ahead of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// As many inputs are read at once, on all cores.
    pub(crate) inputs: usize,
    /// As many patches make a batch, of whole inputs.
    pub(crate) patches: usize,
}

impl Ahead {
    /// What is fast.
    pub(crate) const USUAL: Self = Self {
        inputs: 8,
        patches: 16_384,
    };
    /// What takes least memory.
    const ONE_BY_ONE: Self = Self {
        inputs: 1,
        patches: 1,
    };
}

/// What is kept of each batch beside the embeddings: bytes for a patch, and for a token.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) patch: u64,
    pub(crate) token: u64,
}

/// A tower, where it runs, and what is kept of its results.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) config: &'a VisionConfig,
    pub(crate) target: Target,
    pub(crate) kept: Kept,
}

/// An input as far as it takes memory.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    grid: GridThw,
    /// Bytes while it is decoded.
    pixels: u64,
}

/// Bytes at most, at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    pub(crate) ahead: Ahead,
    pub(crate) cut: Cut,
    /// Of the process.
    pub(crate) host: u64,
    /// Of a device with memory of its own.
    pub(crate) device: Option<u64>,
    /// Of the weights, and of the largest tensor.
    weights: u64,
    largest_tensor: u64,
}

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// What `--max-memory` allows: of the device's memory, of a CPU the process's.
    pub(crate) allowed: Option<u64>,
    /// What this process may come to hold of the machine's.
    pub(crate) machine: Option<u64>,
}

impl Room {
    /// What the command line and the machine allow.
    pub(crate) fn new(allowed: Option<u64>) -> Self {
        Self {
            allowed,
            machine: available_memory(),
        }
    }

    /// The limit of the encoder: what there is of its device's memory, less what is not its own.
    pub(crate) fn of_encoder(self, target: Target) -> u64 {
        let room = match target.on_host {
            true => self.allowed.or(self.machine),
            false => self.allowed,
        };
        let others = if target.on_host { PROGRAM } else { 0 };
        room.map_or(u64::MAX, |bytes| bytes.saturating_sub(others))
    }
}

impl Size {
    /// Of what `about` tells of an input, for patches of `patch` pixels.
    pub(crate) fn of(about: &About, patch: usize) -> Self {
        let (height, width) = about.size;
        let source = RGB * height as u64 * width as u64;
        let resized = RGB * (about.grid.h * about.grid.w * patch * patch) as u64;
        let frames = match about.frames {
            Some(_) => FRAMES_AT_ONCE,
            None => 1,
        };
        Self {
            grid: about.grid,
            pixels: frames * (source + 2 * resized),
        }
    }
}

impl Forecast {
    /// What `work` on `sizes` takes, cut as is usual.
    pub(crate) fn usual(work: Work<'_>, sizes: &[Size]) -> Self {
        let cut = Cut::usual(work.target.arithmetic);
        Self::new(work, sizes, Ahead::USUAL, cut)
    }

    /// What it takes when it is cut until it fits `room`.
    ///
    /// # Errors
    /// Where it does not, however it is cut; with both numbers.
    pub(crate) fn within(
        work: Work<'_>,
        sizes: &[Size],
        room: Room,
        device: &DeviceInfo,
    ) -> Result<Self> {
        let mut ahead = Ahead::USUAL;
        let mut cut = Cut::usual(work.target.arithmetic);
        let frames = sizes.iter().map(|size| size.grid.h * size.grid.w);
        let largest = frames.max().unwrap_or(0);
        loop {
            let forecast = Self::new(work, sizes, ahead, cut);
            let Err(error) = forecast.check(work.target, room, device) else {
                return Ok(forecast);
            };
            if ahead == Ahead::USUAL && sizes.len() > 1 {
                ahead = Ahead::ONE_BY_ONE;
            } else {
                cut = cut.smaller(largest).ok_or(error)?;
            }
        }
    }

    fn check(&self, target: Target, room: Room, device: &DeviceInfo) -> Result<()> {
        let bounded = self.device.unwrap_or(self.host);
        let needs = |bytes: u64, what: &str, has: &str, limit: u64| {
            let (bytes, limit) = (layout::bytes(bytes), layout::bytes(limit));
            Err(anyhow!("needs at least {bytes} of {what}, {has} {limit}"))
        };
        let memory = format!(
            "memory, {} of it for the weights",
            layout::bytes(self.weights)
        );
        if let Some(allowed) = room.allowed.filter(|&allowed| bounded > allowed) {
            return needs(bounded, &memory, "--max-memory allows", allowed);
        }
        // What the system says is left is an estimate: whoever names a bound for the host knows better.
        let named = self.device.is_none() && room.allowed.is_some();
        let machine = room.machine.filter(|_| !named);
        if let Some(left) = machine.filter(|&left| self.host > left) {
            return needs(self.host, &memory, "the machine has", left);
        }
        if let Some(limit) = target
            .max_buffer
            .filter(|&limit| self.largest_tensor > limit)
        {
            let has = format!(
                "a buffer of {} ({}) holds at most",
                device.spec, device.name
            );
            return needs(self.largest_tensor, "one tensor", &has, limit);
        }
        Ok(())
    }

    /// Goes through the command as it will run: read ahead, batch, load, encode, read on.
    fn new(work: Work<'_>, sizes: &[Size], ahead: Ahead, cut: Cut) -> Self {
        let Work {
            config,
            target,
            kept,
        } = work;
        let footprint = Footprint::new(config, target.arithmetic);
        let rows = |sizes: &[Size]| -> u64 {
            let grids = sizes.iter().map(|size| size.grid);
            let values = |grid: GridThw| (grid.num_patches() * footprint.row_len(grid)) as u64;
            F32 * grids.map(values).sum::<u64>()
        };
        let mut batches = Batches {
            unread: sizes,
            read: VecDeque::new(),
            ahead,
        };
        let (mut held, mut host, mut device, mut largest_tensor) = (0, 0, 0, 0);
        let mut weights = 0;
        let mut is_loaded = false;
        while let Some((batch, decoding)) = batches.next() {
            let waiting = rows(batches.read.make_contiguous()) + rows(&batch);
            let joined = if batch.len() > 1 { rows(&batch) } else { 0 };
            host = host.max(held + waiting + decoding.max(joined));
            let grids: Vec<GridThw> = batch.iter().map(|size| size.grid).collect();
            let plan = Plan::with_cut(config, &grids, target, cut);
            let patches = plan.num_patches() as u64;
            let details = patches * kept.patch + plan.num_tokens() as u64 * kept.token;
            let running = plan.activations + details;
            if target.on_host {
                if !is_loaded {
                    host = host.max(waiting + plan.loading);
                    held += plan.weights;
                }
                host = host.max(held + waiting + running);
            }
            is_loaded = true;
            weights = plan.weights;
            device = device.max(plan.weights + running);
            largest_tensor = largest_tensor
                .max(plan.largest_tensor)
                .max(plan.largest_parameter);
            held += plan.embeddings + details;
            host = host.max(held + waiting);
        }
        Self {
            ahead,
            cut,
            host: PROGRAM + host,
            device: (!target.on_host).then_some(device),
            weights,
            largest_tensor,
        }
    }
}

/// Work that is to fit into what there is.
pub(crate) struct Fitting<'a> {
    pub(crate) work: Work<'a>,
    pub(crate) room: Room,
    pub(crate) device: &'a DeviceInfo,
}

/// Inputs with their patch rows.
type Batch = Vec<(About, Patches)>;

impl Fitting<'_> {
    /// The first inputs, read, and how all are to be cut. With `--max-memory` every input is looked at before one is
    /// read; without, the first ones tell, and later ones are refused when they come.
    pub(crate) fn first_batch(&self, inputs: &mut Inputs<'_>) -> Result<(Option<Batch>, Cut)> {
        if self.room.allowed.is_some() {
            let forecast = self.forecast(&inputs.probe()?)?;
            inputs.read_ahead(forecast.ahead);
            return Ok((inputs.next_batch()?, forecast.cut));
        }
        let batch = inputs.next_batch()?;
        let read = batch.iter().flatten().map(|(about, _)| about);
        let forecast = self.forecast(read.chain(inputs.waiting()))?;
        inputs.read_ahead(forecast.ahead);
        Ok((batch, forecast.cut))
    }

    /// `encoder`, held to this.
    pub(crate) fn bound(&self, encoder: VisionEncoder, cut: Cut) -> VisionEncoder {
        let bytes = self.room.of_encoder(self.work.target);
        encoder.with_cut(cut).with_max_memory(bytes)
    }

    fn forecast<'b>(&self, inputs: impl IntoIterator<Item = &'b About>) -> Result<Forecast> {
        let patch = self.work.config.patch_size;
        let sizes = inputs.into_iter().map(|about| Size::of(about, patch));
        let sizes: Vec<Size> = sizes.collect();
        Forecast::within(self.work, &sizes, self.room, self.device)
    }
}

/// The batches of `Inputs`, without their pixels.
struct Batches<'a> {
    unread: &'a [Size],
    read: VecDeque<Size>,
    ahead: Ahead,
}

impl Batches<'_> {
    /// The next batch, and the most bytes of pictures that are decoded for it at once.
    fn next(&mut self) -> Option<(Vec<Size>, u64)> {
        let mut batch: Vec<Size> = Vec::new();
        let (mut patches, mut decoding) = (0, 0);
        loop {
            if self.read.is_empty() {
                let (next, unread) = self
                    .unread
                    .split_at(self.ahead.inputs.min(self.unread.len()));
                self.unread = unread;
                self.read.extend(next);
                decoding = decoding.max(in_flight(next));
            }
            let Some(next) = self.read.front() else { break };
            let own = next.grid.num_patches();
            if !batch.is_empty() && patches + own > self.ahead.patches {
                break;
            }
            patches += own;
            batch.extend(self.read.pop_front());
        }
        (!batch.is_empty()).then_some((batch, decoding))
    }
}

/// Bytes of the largest pictures, of as many as there are threads.
fn in_flight(sizes: &[Size]) -> u64 {
    let mut pixels: Vec<u64> = sizes.iter().map(|size| size.pixels).collect();
    pixels.sort_unstable_by(|a, b| b.cmp(a));
    pixels.iter().take(rayon::current_num_threads()).sum()
}
