"""The attention of chosen patches, at their place in the image. The reference gives it beside its stages."""

import sys

import torch

from batch import preprocess
from reference import encode, load_tower, save
from tower_cases import load

# By case: block, input, temporal patch, row and column of the patch that attends.
QUERIES = {
    "pictures-and-clips": [(0, 0, 0, 1, 2), (1, 1, 1, 0, 1), (1, 3, 1, 3, 3), (0, 4, 0, 1, 0)],
    "glm-ocr-clip": [(0, 0, 2, 1, 0), (1, 1, 0, 1, 7)],
}


def make_details(folder, case):
    tower = load_tower(folder, attn="eager")
    inputs = preprocess(folder, [load(entry) for entry in case["inputs"]])
    weights = attention_weights(tower, inputs)
    found = {}
    for query in QUERIES[folder.name]:
        name = "attention." + ":".join(map(str, query))
        found[name] = attention_map(weights, inputs["grid_thw"].tolist(), tower.spatial_merge_size, *query)
    save(found, folder / "details.safetensors")


def attention_weights(tower, inputs):
    """[heads, patches, patches] of each frame, block by block, in the order of the batch."""
    module = sys.modules[type(tower).__module__]
    forward, seen = module.eager_attention_forward, []

    def recording(*arguments, **options):
        output, weights = forward(*arguments, **options)
        seen.append(weights[0])
        return output, weights

    module.eager_attention_forward = recording
    try:
        encode(tower, inputs)
    finally:
        module.eager_attention_forward = forward
    frames = len(seen) // len(tower.blocks)
    return [seen[start : start + frames] for start in range(0, len(seen), frames)]


def attention_map(weights, grids, merge, block, item, t, y, x):
    _, h, w = grids[item]
    frame = sum(grid[0] for grid in grids[:item]) + t
    place = raster(torch.arange(h * w), h, w, merge)
    row = weights[block][frame][:, place[y, x]]
    return torch.stack([raster(head, h, w, merge) for head in row])


def raster(values, h, w, merge):
    """Values in merge-block order as [h, w]."""
    blocks = values.reshape(h // merge, w // merge, merge, merge)
    return blocks.transpose(1, 2).reshape(h, w)
