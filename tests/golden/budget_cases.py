"""The grids of images and videos with given limits of the size, by every processor of the family."""

import numpy as np
import torch
from transformers.image_utils import SizeDict

from batch import IMAGE_PROCESSORS
from clips import RULES

ROWS = 4000
CLASSES = ["Glm4v", "Glm46V", "Glmga", "Glm5Next"]


def budget_goldens():
    """Rows of the class, the number of frames (0: an image), height, width, patch_size, temporal_patch_size, merge_size,
    patch_expand_factor, whether the limits count tokens (or pixels), both limits, and then the reference's grid, which is
    0, 0, 0 where it refuses."""
    draw = np.random.default_rng(53)
    questions = [random_question(draw) for _ in range(ROWS)]
    return {"rows": [[*question, *answer(*question)] for question in questions]}


def random_question(draw):
    name = str(draw.choice(CLASSES))
    patch, temporal, merge = int(draw.choice([14, 14, 16])), int(draw.choice([2, 2, 1, 4])), int(draw.choice([2, 2, 3]))
    expand = int(draw.choice([1, 1, 2, 3])) if name in ("Glmga", "Glm5Next") else 1
    frames = 0 if draw.random() < 0.6 else temporal + int(np.exp(draw.uniform(0, np.log(300))))
    height, width = (int(side) for side in np.exp(draw.uniform(0, np.log(9000), 2)))
    tokens = int(name == "Glm5Next" or draw.random() < 0.5)
    least = int(np.exp(draw.uniform(0, np.log(3000))))
    most = int(least * np.exp(draw.uniform(0, np.log(300))))
    unit = 1 if tokens else int(draw.integers(300, 3000))
    return (name, frames, height, width, patch, temporal, merge, expand, tokens, least * unit, most * unit)


def answer(name, frames, height, width, patch, temporal, merge, expand, tokens, least, most):
    processor = RULES[f"{name}VideoProcessor"][0]() if frames else IMAGE_PROCESSORS[f"{name}ImageProcessor"]()
    pixels = temporal * (patch * merge) ** 2 if tokens else 1
    limits = {"size": SizeDict(shortest_edge=least * pixels, longest_edge=most * pixels)}
    if name == "Glm5Next":
        limits = {"min_image_tokens": least, "max_image_tokens": most}
    # Pixels have no values there, so that nothing is computed.
    shape = (1, frames, 3, height, width) if frames else (1, 3, height, width)
    pixels = torch.empty(shape, dtype=torch.uint8, device="meta")
    options = {"resample": 3, "factor": patch * merge * expand, "temporal_factor": temporal, **limits}
    try:
        resized = processor.resize(pixels, **options)
    except ValueError:
        return (0, 0, 0)
    return (-(-frames // temporal) or 1, resized.shape[-2] // patch, resized.shape[-1] // patch)
