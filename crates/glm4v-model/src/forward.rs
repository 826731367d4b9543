//! The forward pass, written once for both towers.

use burn::tensor::{FloatDType, Int, Tensor};
use glm4v_config::VisionConfig;

use crate::layout::BatchLayout;
use crate::tiles::{self, Scores};
use crate::{CancelToken, Cancelled, ForwardOptions, Observer, PatchRows, Stage, VisionOutput};

/// Epsilon of the merger's LayerNorm: torch's default, which no configuration changes.
pub(crate) const LAYER_NORM_EPS: f64 = 1e-5;

/// The stages of a tower, over rows of its own type. A stage that the configuration lacks returns its input.
pub(crate) trait Stages {
    /// Rows of patches or tokens.
    type Rows: Clone;
    /// What the blocks of one pass share: rotary angles, segments and buffers.
    type Pass;

    fn config(&self) -> &VisionConfig;
    fn patch_embed(&self, rows: Vec<PatchRows>) -> Self::Rows;
    fn post_conv_layernorm(&self, x: Self::Rows) -> Self::Rows;
    fn embeddings(&self, x: Self::Rows, layout: &BatchLayout) -> Self::Rows;
    fn begin(&self, layout: &BatchLayout, scores: Scores) -> Self::Pass;
    fn block(&self, index: usize, x: Self::Rows, pass: &mut Self::Pass) -> Self::Rows;
    fn post_layernorm(&self, x: Self::Rows) -> Self::Rows;
    fn downsample(&self, x: Self::Rows) -> Self::Rows;
    fn merger(&self, x: &Self::Rows) -> Self::Rows;

    /// The queries and keys of a block, normed and rotated: `[patches, 2·heads, head_dim]`.
    fn query_key(&self, block: usize, x: Self::Rows, layout: &BatchLayout) -> Tensor<3>;

    /// Row `i` of the result is row `order[i]` of `x`.
    fn reorder(x: &Self::Rows, order: &[i32]) -> Self::Rows;
    fn rows(x: Tensor<2>) -> Self::Rows;
    fn tensor(&self, x: Self::Rows) -> Tensor<2>;
}

/// Runs `tower` over the rows of one batch.
pub(crate) fn forward<S: Stages>(
    tower: &S,
    rows: Vec<PatchRows>,
    layout: &BatchLayout,
    options: ForwardOptions<'_>,
) -> Result<VisionOutput, Cancelled> {
    let scores = Scores {
        method: options.attention,
        max_bytes: options.max_score_bytes,
    };
    let check_cancel = || options.cancel.map_or(Ok(()), CancelToken::check);
    let config = tower.config();
    let mut show = Show {
        tower,
        observer: options.observer,
    };
    let order = layout.permutation.as_ref();
    let to_batch = order.map(|order| &order.patches_to_batch[..]);

    let to_tower = order.map(|order| &order.patches_to_tower[..]);
    let mut x = arrange::<S>(tower.patch_embed(rows), to_tower);
    show.stage(Stage::PatchEmbed, &x, to_batch);
    if config.has_position_table() {
        x = tower.post_conv_layernorm(x);
        show.stage(Stage::PostConvLayernorm, &x, to_batch);
        x = tower.embeddings(x, layout);
        show.stage(Stage::Embeddings, &x, to_batch);
    }
    let mut pass = tower.begin(layout, scores);
    for index in 0..config.depth {
        check_cancel()?;
        show.stage(Stage::BlockInput(index), &x, to_batch);
        x = tower.block(index, x, &mut pass);
        show.stage(Stage::Block(index), &x, to_batch);
    }
    drop(pass);
    check_cancel()?;
    x = tower.post_layernorm(x);
    show.stage(Stage::PostLayernorm, &x, to_batch);
    let tokens_to_batch = order.map(|order| &order.tokens_to_batch[..]);
    let hidden = arrange::<S>(tower.downsample(x), tokens_to_batch);
    show.stage(Stage::Downsample, &hidden, None);
    let embeddings = tower.merger(&hidden);
    show.stage(Stage::Merger, &embeddings, None);
    Ok(VisionOutput {
        embeddings: tower.tensor(embeddings),
        last_hidden_state: tower.tensor(hidden),
    })
}

/// The attention of the patches `rows` of one frame: see [`crate::VisionModel::attention_weights`].
pub(crate) fn attention_weights<S: Stages>(
    tower: &S,
    block: usize,
    x: Tensor<2>,
    layout: &BatchLayout,
    rows: &[usize],
) -> Tensor<3> {
    let device = x.device();
    let query_key = tower.query_key(block, S::rows(x), layout);
    let query_key = query_key.cast(FloatDType::F32).swap_dims(0, 1);
    let heads = query_key.dims()[0] / 2;
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let rows = Tensor::<1, Int>::from_data(&rows[..], &device);
    let query = query_key.clone().narrow(0, 0, heads).select(1, rows);
    let query = query * tiles::query_scale(query_key.dims()[2]);
    let key = query_key.narrow(0, heads, heads);
    tiles::weights(query.unsqueeze_dim(1), key.unsqueeze_dim(1)).squeeze_dim(1)
}

/// Passes stages on to the observer that wants them.
struct Show<'t, 'o, S> {
    tower: &'t S,
    observer: Option<&'o mut (dyn Observer + 'o)>,
}

impl<S: Stages> Show<'_, '_, S> {
    fn stage(&mut self, stage: Stage, x: &S::Rows, order: Option<&[i32]>) {
        let Some(observer) = &mut self.observer else {
            return;
        };
        if observer.wants(stage) {
            let x = match order {
                Some(order) => S::reorder(x, order),
                None => x.clone(),
            };
            observer.observe(stage, self.tower.tensor(x));
        }
    }
}

fn arrange<S: Stages>(x: S::Rows, order: Option<&[i32]>) -> S::Rows {
    match order {
        Some(order) => S::reorder(&x, order),
        None => x,
    }
}
