"""Random towers and random images, and what the reference makes of them: `cargo xtask differential`.

    differential.py DIR --seed S (--cases N | --case K)
        Write the cases 0 to N - 1 of a seed, or one of them, into DIR. A case depends on its seed and number only. It is a
        folder like those of the tower cases, with its images beside the checkpoint.
"""

import argparse
import math
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import numpy as np
import torch
import transformers
from PIL import Image
from transformers.image_utils import load_image

from batch import preprocess
from reference import load_tower, save, stages
from tower_cases import FAMILY, GLM5_TEXT, vision, write_configs, write_json, write_weights

# What the models have in place of the processor of GLM-4.1V. A checkpoint may name another processor, too.
PROCESSORS = {
    "glm46v": ["Glm46VImageProcessor"],
    "glm_ocr": ["Glm46VImageProcessor"],
    "glm5_next": ["Glm5NextImageProcessor", "Glm46VImageProcessor"],
    "glmga": ["GlmgaImageProcessor", "Glm46VImageProcessor"],
}
# Towers that GLM-4.6V and GLM-GA name in vision_config. The other models have one tower.
TOWERS = {"glm46v": ["glm4v_vision", "glm4v_moe_vision"], "glmga": ["glm4v_vision"]}
# The reference refuses images whose sides differ by a factor of more than 200.
MAX_RATIO = 180


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    numbers = parser.add_mutually_exclusive_group(required=True)
    numbers.add_argument("--cases", type=int)
    numbers.add_argument("--case", type=int)
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    numbers = range(arguments.cases) if arguments.case is None else [arguments.case]
    make_differential(arguments.dir, arguments.seed, numbers)


def make_differential(folder, seed, numbers):
    for number in numbers:
        draw = np.random.default_rng([seed, number])
        make_random_case(folder / f"seed-{seed}-case-{number}", random_case(draw, number), draw)


def make_random_case(folder, case, draw):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_configs(folder, case)
    write_weights(folder, case)
    names = [f"{index}.png" for index in range(draw.integers(1, 4))]
    for name in names:
        random_image(draw).save(folder / name)
    write_json(folder / "inputs.json", names)
    inputs = preprocess(folder, [load_image(str(folder / name)) for name in names])
    save(stages(load_tower(folder), inputs), folder / "expected.safetensors")


def random_case(draw, number):
    """The members of the family take turns."""
    model_type = list(FAMILY)[number % len(FAMILY)]
    configuration = random_vision(draw, model_type)
    factor = configuration["patch_size"] * configuration["spatial_merge_size"]
    token = configuration["temporal_patch_size"] * factor**2
    fewest, most = sorted(log_uniform(draw, 60, 2))
    image = {"image_processor_type": str(draw.choice(PROCESSORS.get(model_type, ["Glm4vImageProcessor"])))}
    if image["image_processor_type"] == "Glm5NextImageProcessor":
        image |= {"min_image_tokens": fewest, "max_image_tokens": most}
    if image["image_processor_type"] in ("Glm5NextImageProcessor", "GlmgaImageProcessor"):
        image["patch_expand_factor"] = int(draw.integers(1, 3))
    return {
        "model_type": model_type,
        "vision": configuration,
        "text": GLM5_TEXT if model_type == "glm5_next" else {},
        "size": {"shortest_edge": fewest * token, "longest_edge": most * token},
        "image": image,
        "dtype": str(draw.choice(["f32", "f32", "bf16", "f16"])),
        "shards": int(draw.integers(1, 4)),
        **random_layout(draw, model_type),
    }


def random_layout(draw, model_type):
    """The checkpoint of a model, or that of its tower alone."""
    if model_type not in TOWERS and draw.random() < 0.2:
        return {"alone": True, "prefix": ""}
    prefix = str(draw.choice(["model.visual.", "visual."]))
    return {"prefix": prefix, "language_model": bool(draw.random() < 0.3)}


def random_vision(draw, model_type):
    def pick(*values):
        return values[draw.integers(len(values))]

    heads, patch = int(draw.integers(1, 7)), pick(3, 4, 6, 7, 8, 14, 16)
    tower_config = FAMILY[model_type][2]
    fields = vision(
        model_type=pick(*TOWERS.get(model_type, [tower_config.model_type])),
        depth=int(draw.integers(1, 4)),
        num_heads=heads,
        hidden_size=heads * pick(4, 8, 12, 20, 24, 32, 36, 64),
        image_size=patch * int(draw.integers(1, 13)),
        patch_size=patch,
        spatial_merge_size=pick(1, 2, 2, 3),
        temporal_patch_size=pick(1, 2, 2, 3, 4),
        intermediate_size=int(draw.integers(1, 140)),
        out_hidden_size=int(draw.integers(8, 100)),
        attention_bias=bool(draw.random() < 0.5),
        hidden_act=pick("silu", "silu", "silu", "gelu", "gelu_pytorch_tanh", "quick_gelu", "relu"),
        rms_norm_eps=pick(1e-6, 1e-5, 1e-3),
    )
    theta = pick(None, 100.0, 10000.0, 500000.0)
    if theta is not None:
        fields |= pick({"rope_theta": theta}, {"rope_parameters": {"rope_type": "axial", "rope_theta": theta}})
    if model_type == "glm5_next":
        fields["projection_intermediate_size"] = int(draw.integers(1, 140))
        fields["swiglu_limit"] = pick(0.25, 0.75, 1.5, 10.0, math.inf)
    return fields


def random_image(draw):
    """From one pixel to a few hundred a side, of any shape: a gradient under noise."""
    width, height = log_uniform(draw, 300, 2)
    width, height = min(width, MAX_RATIO * height), min(height, MAX_RATIO * width)
    mode = str(draw.choice(["RGB", "RGB", "L", "RGBA"]))
    y, x, channel = np.mgrid[0:height, 0:width, 0 : len(mode)]
    slopes = draw.uniform(-3, 3, 3)
    levels = slopes[0] * x + slopes[1] * y + 60 * slopes[2] * channel + draw.uniform(0, 255)
    levels += draw.normal(0, 20, levels.shape)
    pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels)


def log_uniform(draw, most, count):
    """Numbers from 1 to `most`. Small and large ones are as frequent."""
    return [int(number) for number in np.exp(draw.uniform(0, math.log(most), count)).round()]


if __name__ == "__main__":
    main()
