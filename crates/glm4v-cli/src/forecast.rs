//! What a command will hold in memory, from the sizes of its inputs.

use anyhow::Result;
use glm4v::{Cut, DeviceInfo, Footprint, GridThw, Held, Plan, Target, VisionConfig, VisionEncoder};

use crate::args::DeviceArgs;
use crate::inputs::{About, Batch, Inputs};
use crate::room::Room;

/// The program itself: its code as far as it is used, its threads, and what the allocator keeps.
pub(crate) const PROGRAM: u64 = if cfg!(debug_assertions) { 18 } else { 8 } << 20;
/// Bytes of a value.
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
    /// As many inputs are being read, or read and wait, at most.
    pub(crate) inputs: usize,
    /// As many patches make a batch, of whole inputs.
    pub(crate) patches: usize,
    /// Whether the next inputs are read while a batch is encoded.
    pub(crate) beside: bool,
}

impl Ahead {
    /// For each device that shares the work.
    const INPUTS: usize = 8;
    const PATCHES: usize = 16_384;
    /// For what is read and no more.
    pub(crate) const ALL: Self = Self {
        inputs: Self::INPUTS,
        patches: usize::MAX,
        beside: true,
    };
    /// What takes least memory.
    const ONE_BY_ONE: Self = Self {
        inputs: 1,
        patches: 1,
        beside: false,
    };

    /// What is fast: a GPU leaves the cores to those who read, while on a CPU reading takes from the encoder what it gains.
    pub(crate) const fn usual(target: Target) -> Self {
        Self {
            inputs: Self::INPUTS * target.devices,
            patches: Self::PATCHES * target.devices,
            beside: !target.on_host,
        }
    }
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
    /// Bytes of its rows.
    rows: u64,
    held: Held,
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
    /// The most of each kind, which need not be at the same time.
    pub(crate) most: Most,
}

/// Bytes of each kind of thing, at any time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Most {
    pub(crate) weights: u64,
    /// The rows of a batch, and of what was read ahead of it.
    pub(crate) patch_rows: u64,
    /// Pictures while they become rows, and rows while they are put together.
    pub(crate) reading: u64,
    pub(crate) activations: u64,
    /// What is kept of all batches.
    pub(crate) embeddings: u64,
    pub(crate) patches_at_once: usize,
    /// A tensor, or a parameter that is held whole.
    pub(crate) tensor: u64,
}

impl Work<'_> {
    /// What `inputs` tells of their memory.
    pub(crate) fn sizes(&self, inputs: &[About]) -> Vec<Size> {
        let footprint = Footprint::new(self.config, self.target.arithmetic);
        let size = |about: &About| {
            let values = about.grid.num_patches() * footprint.row_len(about.is_still);
            Size {
                grid: about.grid,
                rows: F32 * values as u64,
                held: about.held,
            }
        };
        inputs.iter().map(size).collect()
    }
}

impl Forecast {
    /// What `work` on `sizes` takes, cut as is usual.
    pub(crate) fn usual(work: Work<'_>, sizes: &[Size]) -> Self {
        let cut = Cut::usual(work.target.arithmetic);
        Self::new(work, sizes, Ahead::usual(work.target), cut)
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
        let usual = Ahead::usual(work.target);
        let mut ahead = usual;
        let mut cut = Cut::usual(work.target.arithmetic);
        let frames = sizes.iter().map(|size| size.grid.h * size.grid.w);
        let largest = frames.max().unwrap_or(0);
        loop {
            let forecast = Self::new(work, sizes, ahead, cut);
            let Err(error) = room.check(&forecast, work.target, device) else {
                return Ok(forecast);
            };
            if ahead == usual && sizes.len() > 1 {
                ahead = Ahead::ONE_BY_ONE;
            } else {
                cut = cut.smaller(largest).ok_or(error)?;
            }
        }
    }

    /// Goes through the command as it will run: read ahead, batch, load, encode, read on.
    fn new(work: Work<'_>, sizes: &[Size], ahead: Ahead, cut: Cut) -> Self {
        let Work {
            config,
            target,
            kept,
        } = work;
        let rows = |sizes: &[Size]| -> u64 { sizes.iter().map(|size| size.rows).sum() };
        let (mut held, mut host, mut device) = (0, 0, 0);
        let mut most = Most::default();
        for (number, step) in Steps::new(sizes, ahead).enumerate() {
            let waiting = rows(step.waiting) + rows(step.batch);
            let joined = if step.batch.len() > 1 {
                rows(step.batch)
            } else {
                0
            };
            let reading = match ahead.beside {
                true => step.reading + joined,
                false => step.reading.max(joined),
            };
            host = host.max(held + waiting + reading);
            let grids: Vec<GridThw> = step.batch.iter().map(|size| size.grid).collect();
            let plan = Plan::with_cut(config, &grids, target, cut);
            let (patches, tokens) = (plan.num_patches() as u64, plan.num_tokens() as u64);
            let details = patches * kept.patch + tokens * kept.token;
            let running = plan.activations + details;
            let waiting = waiting + step.beside;
            if number == 0 {
                host = host.max(waiting + plan.loading_on_host());
            }
            if target.on_host {
                if number == 0 {
                    held += plan.weights;
                }
                host = host.max(held + waiting + running);
            }
            device = device.max(plan.weights + running);
            held += plan.embeddings + details;
            host = host.max(held + waiting);
            most = Most {
                weights: plan.weights,
                patch_rows: most.patch_rows.max(waiting - step.beside),
                reading: most.reading.max(reading),
                activations: most.activations.max(running),
                embeddings: most.embeddings + plan.embeddings + details,
                patches_at_once: most.patches_at_once.max(plan.patches_at_once),
                tensor: most
                    .tensor
                    .max(plan.largest_tensor)
                    .max(plan.largest_parameter),
            };
        }
        Self {
            ahead,
            cut,
            host: PROGRAM + host,
            device: (!target.on_host).then_some(device),
            most,
        }
    }
}

/// Work that is to fit into what there is.
pub(crate) struct Fitting<'a> {
    pub(crate) work: Work<'a>,
    pub(crate) room: Room,
    pub(crate) device: &'a DeviceInfo,
}

impl Fitting<'_> {
    /// The first inputs, read, and how all are to be cut. With `--max-memory` every input is looked at before one is
    /// read; without, those that are read at first, and later ones are refused when they come.
    pub(crate) fn first_batch(&self, inputs: &mut Inputs<'_>) -> Result<(Option<Batch>, Cut)> {
        let count = match self.room.allowed {
            Some(_) => usize::MAX,
            None => Ahead::usual(self.work.target).inputs,
        };
        let probed = inputs.probe(count)?;
        let sizes = self.work.sizes(&probed);
        let forecast = Forecast::within(self.work, &sizes, self.room, self.device)?;
        inputs.read_ahead(forecast.ahead);
        Ok((inputs.next_batch()?, forecast.cut))
    }

    /// `encoder`, held to this.
    pub(crate) fn bound(&self, encoder: VisionEncoder, cut: Cut) -> VisionEncoder {
        let bytes = self.room.of_encoder(self.work.target);
        encoder.with_cut(cut).with_max_memory(bytes)
    }
}

/// The batches of inputs, as [`Inputs`] makes them.
struct Steps<'a> {
    sizes: &'a [Size],
    ahead: Ahead,
    /// The first of the next batch.
    next: usize,
    /// The first that is not being read yet.
    unread: usize,
}

struct Step<'a> {
    batch: &'a [Size],
    /// What is read already, or being read, when the batch is complete.
    waiting: &'a [Size],
    /// Bytes of what is read at once, until then and while the batch is encoded.
    reading: u64,
    beside: u64,
}

impl<'a> Steps<'a> {
    fn new(sizes: &'a [Size], ahead: Ahead) -> Self {
        Self {
            sizes,
            ahead,
            next: 0,
            unread: 0,
        }
    }

    /// How many inputs make the batch that begins with the next one, and how many are read to know that.
    fn batch_size(&self) -> (usize, usize) {
        let (mut count, mut patches) = (0, 0_usize);
        for size in &self.sizes[self.next..] {
            if patches >= self.ahead.patches {
                break;
            }
            patches = patches.saturating_add(size.grid.num_patches());
            if count > 0 && patches > self.ahead.patches {
                return (count, count + 1);
            }
            count += 1;
        }
        (count, count)
    }

    /// Reads on until `taken` inputs are read, and as far ahead of them as is allowed; bytes of what is read at once.
    fn read(&mut self, taken: usize) -> u64 {
        let (all, ahead) = (self.sizes.len(), self.ahead);
        if ahead.beside {
            self.unread = all.min(taken + ahead.inputs);
            return in_flight(&self.sizes[self.next..self.unread]);
        }
        let mut most = 0;
        while self.unread < taken {
            let before = self.unread;
            self.unread = all.min(before + ahead.inputs);
            most = most.max(in_flight(&self.sizes[before..self.unread]));
        }
        most
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let (count, read) = self.batch_size();
        let (first, end) = (self.next, self.next + count);
        let reading = self.read(first + read);
        self.next = end;
        let waiting = &self.sizes[end..self.unread];
        (count > 0).then(|| Step {
            batch: &self.sizes[first..end],
            waiting,
            reading,
            beside: match self.ahead.beside {
                true => in_flight(waiting),
                false => 0,
            },
        })
    }
}

/// Bytes beyond the rows while inputs are read: of the largest ones, as many as there are threads.
fn in_flight(sizes: &[Size]) -> u64 {
    let beyond = |size: &Size| size.held.beyond(size.rows);
    let mut reading: Vec<u64> = sizes.iter().map(beyond).collect();
    reading.sort_unstable_by(|a, b| b.cmp(a));
    reading.iter().take(rayon::current_num_threads()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stills of as many patches, each of which holds a thousand bytes a patch in reading.
    fn sizes(patches: &[usize]) -> Vec<Size> {
        let size = |&patches: &usize| Size {
            grid: GridThw::new(1, 1, patches),
            rows: 10 * patches as u64,
            held: Held {
                before_rows: 0,
                beside_rows: 1000 * patches as u64,
            },
        };
        patches.iter().map(size).collect()
    }

    /// Of each batch: its inputs, those read ahead of it, and the bytes while it is put together and encoded.
    fn steps(patches: &[usize], ahead: Ahead) -> Vec<(usize, usize, u64, u64)> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let steps = || {
            let sizes = sizes(patches);
            let steps = Steps::new(&sizes, ahead);
            let step = |step: Step<'_>| {
                let (batch, waiting) = (step.batch.len(), step.waiting.len());
                (batch, waiting, step.reading, step.beside)
            };
            steps.map(step).collect()
        };
        pool.expect("threads").install(steps)
    }

    #[test]
    fn inputs_are_read_in_turns_with_the_encoder() {
        let ahead = Ahead {
            inputs: 3,
            patches: 10,
            beside: false,
        };
        // Two fit, the third is known not to; the fourth goes with it; then two more are read.
        let found = steps(&[4, 5, 6, 1, 2], ahead);
        assert_eq!(found, [(2, 1, 11_000, 0), (3, 0, 3000, 0)]);
        assert_eq!(steps(&[20, 20], ahead), [(1, 1, 40_000, 0), (1, 0, 0, 0)]);
    }

    #[test]
    fn one_by_one_nothing_is_read_ahead() {
        let found = steps(&[4, 5, 6], Ahead::ONE_BY_ONE);
        let alone = |patches: u64| (1, 0, 1000 * patches, 0);
        assert_eq!(found, [alone(4), alone(5), alone(6)]);
    }

    #[test]
    fn beside_the_encoder_no_more_is_read_than_is_allowed() {
        let ahead = Ahead {
            inputs: 2,
            patches: 10,
            beside: true,
        };
        let found = steps(&[4, 5, 6, 3, 2, 7, 1], ahead);
        // The third has been read to know that it does not fit, and two more are being read.
        assert_eq!(found[0], (2, 3, 11_000, 11_000 - 2000));
        assert_eq!(found.iter().map(|step| step.0).sum::<usize>(), 7);
        assert!(found.iter().all(|step| step.1 <= 3));
        assert_eq!(found.last().unwrap().3, 0);
    }
}
