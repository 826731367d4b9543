"""The tower of transformers for one image size, in a form that exporters read.

The positions and rotations of the image are constants, and the convolutions are products. Nothing else differs, and
`fixed_tower` checks that.
"""

import numpy
import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.glm4v.modeling_glm4v import Glm4vVisionModel, apply_rotary_pos_emb_vision
from transformers.models.glm4v_moe.modeling_glm4v_moe import Glm4vMoeVisionModel
from transformers.vision_utils import get_vision_position_ids

from reference import load_tower

# The relative L2 error of the fixed tower in f32 that reordered sums explain.
TOLERANCE = 2e-5


def fixed_tower(arguments, dtype="f32"):
    """The tower and the patch rows that it takes."""
    with numpy.load(arguments.dir / "inputs.npz") as inputs:
        rows, grid = torch.from_numpy(inputs["rows"]), torch.from_numpy(inputs["grid"])
    tower = load_tower(arguments.checkpoint, dtype)
    if not isinstance(tower, (Glm4vVisionModel, Glm4vMoeVisionModel)):
        raise ValueError(f"{type(tower).__name__} cannot be exported: use the tower of GLM-4.1V, GLM-4.5V or GLM-4.6V")
    with torch.no_grad():
        fixed = FixedTower(tower, grid).eval().requires_grad_(False)
        if dtype == "f32":
            check(fixed(rows).numpy(), arguments.dir / "expected.f32")
    return fixed, rows


def check(found, file):
    expected = numpy.fromfile(file, "<f4").reshape(found.shape)
    error = numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected)
    if not error <= TOLERANCE:
        raise ValueError(f"the exported form of the tower has a relative L2 error of {error:.1e}, allowed are {TOLERANCE:.0e}")


class FixedTower(nn.Module):
    def __init__(self, tower, grid):
        super().__init__()
        self.heads = tower.config.num_heads
        self.patch_embed = product(tower.patch_embed.proj)
        # The rows of a merge block are adjacent, and their values are their last dimension.
        self.downsample = product(tower.downsample, order=(0, 2, 3, 1))
        self.post_conv_layernorm, self.post_layernorm = tower.post_conv_layernorm, tower.post_layernorm
        self.blocks, self.merger = tower.blocks, tower.merger
        places = get_vision_position_ids(grid, tower.config.spatial_merge_size)
        zeros = torch.zeros(len(places), tower.config.hidden_size, dtype=tower.dtype)
        self.register_buffer("positions", tower.embeddings(zeros, [len(places)], grid, places[:, 0], places[:, 1]))
        cos, sin = tower.rotary_pos_emb(zeros, places)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, rows):
        hidden = self.post_conv_layernorm(self.patch_embed(rows)) + self.positions
        for block in self.blocks:
            hidden = hidden + self.attention(block.attn, block.norm1(hidden))
            hidden = hidden + block.mlp(block.norm2(hidden))
        merged = self.post_layernorm(hidden).reshape(-1, self.downsample.in_features)
        return self.merger(self.downsample(merged))

    def attention(self, attention, hidden):
        rows = hidden.shape[0]
        query, key, value = attention.qkv(hidden).reshape(rows, 3, self.heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, self.cos, self.sin)
        batch = [part.transpose(0, 1).unsqueeze(0) for part in (query, key, value)]
        found = F.scaled_dot_product_attention(*batch).squeeze(0).transpose(0, 1)
        return attention.proj(found.reshape(rows, -1))


def product(convolution, order=None):
    """A convolution whose kernel covers its whole input, as a product."""
    weight = convolution.weight if order is None else convolution.weight.permute(order)
    linear = nn.Linear(weight[0].numel(), len(weight), bias=convolution.bias is not None, device="meta")
    linear.weight = nn.Parameter(weight.reshape(len(weight), -1).contiguous())
    linear.bias = convolution.bias
    return linear
