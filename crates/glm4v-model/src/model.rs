use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use glm4v_config::{GridThw, VisionConfig};

use crate::host::{self, pass::HostPass};
use crate::linear::Kernel;
use crate::rotary::Rotary;
use crate::source::{ParameterSource, Scope};
use crate::tiles::{AttentionMethod, MAX_SCORE_BYTES, Scores};
use crate::{Arithmetic, Block, Embeddings, Linear, Merger, PatchEmbed, RmsNorm, Stage, Walk};

/// The vision tower (`Glm4vVisionModel`, `Glm4vMoeVisionModel`, `GlmOcrVisionModel` of transformers 5.23).
#[derive(Module, Debug)]
pub struct VisionModel {
    /// Patch rows → hidden width
    pub patch_embed: PatchEmbed,
    /// The norm after it, but in GLM-OCR
    pub post_conv_layernorm: Option<RmsNorm>,
    /// The position table, but in GLM-OCR
    pub embeddings: Option<Embeddings>,
    /// The transformer blocks
    pub blocks: Vec<Block>,
    /// The norm after them
    pub post_layernorm: RmsNorm,
    /// Merge blocks of patches → one row each; the convolution's kernel flattened to `[out, hidden·merge²]`
    pub downsample: Linear,
    /// Rows → embeddings
    pub merger: Merger,
    #[module(skip)]
    config: VisionConfig,
}

/// How [`VisionModel::forward_with`] goes over a batch.
pub struct Pass<'a> {
    /// Bytes of attention scores that are held at once, where the backend holds them: 256 MiB unless told otherwise.
    /// Segments, and where one alone is too large its queries, attend one after another; never fewer than 64 queries
    /// together. It changes no value beyond rounding. The host's own kernels hold no scores.
    pub max_score_bytes: u64,
    /// How a device attends; the host's own kernels have a way of their own.
    pub attention: AttentionMethod,
    /// Sees each stage's output, its rows in the batch's order.
    ///
    /// An observer that wants the values must read them before it returns (`x.into_data().iter()`): on a GPU burn reads
    /// lazily, and the tower's next operation may reuse the buffer.
    pub observer: Option<&'a mut dyn FnMut(Stage, Tensor<2>)>,
}

impl Default for Pass<'_> {
    fn default() -> Self {
        Self {
            max_score_bytes: MAX_SCORE_BYTES,
            attention: AttentionMethod::default(),
            observer: None,
        }
    }
}

/// What the tower gives for a batch: rows of all items, one after another.
#[derive(Clone, Debug)]
pub struct VisionOutput {
    /// The embeddings (transformers' `pooler_output`), `[tokens, out_hidden_size]`.
    pub embeddings: Tensor<2>,
    /// What the merger reads (transformers' `last_hidden_state`), `[tokens, out_hidden_size]`.
    pub last_hidden_state: Tensor<2>,
}

impl VisionModel {
    /// Builds the tower that `config` describes from the parameters of `source`.
    ///
    /// # Errors
    /// Those of the source.
    pub fn new<S: ParameterSource>(
        config: &VisionConfig,
        source: &mut S,
    ) -> Result<Self, S::Error> {
        let mut scope = Scope::root(source);
        // The largest weights first: what it takes to pack them is gone before the rest comes.
        let merger = Merger::load(config, scope.child("merger"))?;
        let mut convolution = scope.child("downsample");
        let downsample = Kernel::<4>::load(&mut convolution)?;
        let downsample = Linear::convolution(downsample, convolution.tensor("bias")?);
        let blocks = (0..config.depth)
            .map(|index| Block::load(config, scope.child(&format!("blocks.{index}"))))
            .collect::<Result<_, _>>()?;
        let eps = config.rms_norm_eps;
        let mut norm = |name| RmsNorm::load(scope.child(name), eps);
        let post_layernorm = norm("post_layernorm")?;
        let table = config.has_position_table();
        let post_conv_layernorm = table.then(|| norm("post_conv_layernorm")).transpose()?;
        let embeddings = table
            .then(|| Embeddings::load(scope.child("embeddings")))
            .transpose()?;
        Ok(Self {
            patch_embed: PatchEmbed::load(scope.child("patch_embed"))?,
            post_conv_layernorm,
            embeddings,
            blocks,
            post_layernorm,
            downsample,
            merger,
            config: config.clone(),
        })
    }

    /// The configuration that the tower was built from.
    #[must_use]
    pub fn config(&self) -> &VisionConfig {
        &self.config
    }

    /// Where the parameters are, and where the tower runs.
    #[must_use]
    pub fn device(&self) -> Device {
        self.post_layernorm.weight.device()
    }

    /// Where the tower's products run, and in what.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        match &self.downsample {
            Linear::Host(weight) => Arithmetic::Host(weight.precision()),
            Linear::Device(weight) => Arithmetic::Device(weight.parts[0].dtype().into()),
        }
    }

    /// Runs the tower over a packed batch.
    ///
    /// # Shapes
    /// - pixel_values: the rows in parts, one below the other, each `[rows, in_channels·temporal_patch_size·patch_size²]`,
    ///   or `[rows, in_channels·patch_size²]` of stills, whose frames are equal; in merge-block order, one item after
    ///   another, in f32
    /// - output: see [`VisionOutput`]
    ///
    /// # Panics
    /// If the rows are not those of `grids`, or a grid is no whole number of merge blocks.
    #[must_use]
    pub fn forward(&self, pixel_values: Vec<Tensor<2>>, grids: &[GridThw]) -> VisionOutput {
        self.forward_with(pixel_values, grids, Pass::default())
    }

    /// [`VisionModel::forward`], held to the memory and shown to the observer of `pass`.
    ///
    /// # Panics
    /// As [`VisionModel::forward`].
    pub fn forward_with(
        &self,
        pixel_values: Vec<Tensor<2>>,
        grids: &[GridThw],
        pass: Pass<'_>,
    ) -> VisionOutput {
        let Pass {
            max_score_bytes,
            attention,
            mut observer,
        } = pass;
        let scores = Scores {
            method: attention,
            max_bytes: max_score_bytes,
        };
        let device = self.device();
        let walk = self.walk(grids);
        self.check(&pixel_values, &walk);
        let mut show = |stage, x: &Tensor<2>, order: Option<&[i32]>| {
            if let Some(observer) = observer.as_mut() {
                observer(stage, arrange(x.clone(), order));
            }
        };
        let order = walk.to_batch_order();
        let rotary = self.rotary(&walk, &device);

        let dtype = self.post_layernorm.weight.dtype();
        let x = self.patch_embed.forward(pixel_values, dtype);
        let mut x = arrange(x, walk.from_batch_order());
        show(Stage::PatchEmbed, &x, order);
        if let Some(norm) = &self.post_conv_layernorm {
            x = norm.forward(x);
            show(Stage::PostConvLayernorm, &x, order);
        }
        if let Some(embeddings) = &self.embeddings {
            x = embeddings.forward(x, &walk);
            show(Stage::Embeddings, &x, order);
        }
        let mut on_host = self.host_pass(&rotary, &walk);
        for (index, block) in self.blocks.iter().enumerate() {
            x = match &mut on_host {
                Some(pass) => pass.block(block, x),
                None => block.forward(x, &rotary, walk.runs(), scores),
            };
            show(Stage::Block(index), &x, order);
        }
        drop(on_host);
        let x = self.post_layernorm.forward(x);
        show(Stage::PostLayernorm, &x, order);
        let x = match &self.downsample {
            Linear::Host(weight) => host::tail::downsample(weight, x),
            Linear::Device(_) => self.downsample.forward(self.merge_blocks(x)),
        };
        let last_hidden_state = arrange(x, walk.tokens_to_batch_order());
        show(Stage::Downsample, &last_hidden_state, None);
        let embeddings = self.merger.forward(last_hidden_state.clone());
        show(Stage::Merger, &embeddings, None);
        VisionOutput {
            embeddings,
            last_hidden_state,
        }
    }

    /// How much patches of one frame attend to all patches of it, in block `block`.
    ///
    /// # Shapes
    /// - x: what the block reads of this frame, `[h·w, hidden_size]` in merge-block order: the output of the stage before
    /// - rows: the patches whose attention is wanted, indices of rows of `x`
    /// - output: `[num_heads, rows, h·w]` in f32; columns in merge-block order, each row adding up to 1
    ///
    /// # Panics
    /// If there is no such block, or `x` is not a frame of `grid`.
    #[must_use]
    pub fn attention_weights(
        &self,
        block: usize,
        x: Tensor<2>,
        (h, w): (usize, usize),
        rows: &[usize],
    ) -> Tensor<3> {
        let device = x.device();
        let frame = GridThw::new(1, h, w);
        let walk = self.walk(&[frame]);
        assert_eq!(
            x.dims()[0],
            walk.num_patches(),
            "x must be the patches of {frame}"
        );
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let block = &self.blocks[block];
        let x = block.norm1.forward(x);
        block
            .attn
            .weights(x, &self.rotary(&walk, &device), indices(&rows, &device))
    }

    fn check(&self, pixel_values: &[Tensor<2>], walk: &Walk) {
        let shapes: Vec<[usize; 2]> = pixel_values.iter().map(Tensor::dims).collect();
        let whole = self.config.patch_dim();
        let still = whole / self.config.temporal_patch_size;
        let fits = shapes
            .iter()
            .all(|[_, width]| [whole, still].contains(width));
        let rows: usize = shapes.iter().map(|[rows, _]| rows).sum();
        assert!(
            fits && rows == walk.num_patches(),
            "pixel_values must be {} rows of {whole} or, of stills, {still} values, not {shapes:?}",
            walk.num_patches()
        );
    }

    fn walk(&self, grids: &[GridThw]) -> Walk {
        let config = &self.config;
        Walk::new(grids, config.spatial_merge_size, config.position_side())
    }

    fn host_pass<'a>(&self, rotary: &'a Rotary, walk: &Walk) -> Option<HostPass<'a>> {
        HostPass::new(&self.blocks.first()?.attn, rotary, walk.runs())
    }

    fn rotary(&self, walk: &Walk, device: &Device) -> Rotary {
        let config = &self.config;
        Rotary::new(walk, config.head_dim(), config.rope_theta(), device)
    }

    /// Puts the patches of a merge block beside one another, as the kernel of `downsample` wants them: channel first.
    ///
    /// # Shapes
    /// - x: `[patches, hidden_size]`
    /// - output: `[tokens, hidden_size·merge²]`
    fn merge_blocks(&self, x: Tensor<2>) -> Tensor<2> {
        let [rows, hidden] = x.dims();
        let merge = self.config.spatial_merge_size * self.config.spatial_merge_size;
        x.reshape([rows / merge, merge, hidden])
            .swap_dims(1, 2)
            .reshape([rows / merge, hidden * merge])
    }
}

fn arrange(x: Tensor<2>, order: Option<&[i32]>) -> Tensor<2> {
    let Some(order) = order else { return x };
    let order = indices(order, &x.device());
    x.select(0, order)
}

fn indices(indices: &[i32], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(indices.to_vec(), [indices.len()]);
    Tensor::from_data(data, device)
}
