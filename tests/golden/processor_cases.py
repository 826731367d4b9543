"""The cases of processor configurations: images by every image processor of the family, and configurations as Python accepts
them."""

import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
from transformers import AutoImageProcessor
from transformers.image_utils import load_image

from pictures import IMAGES
from preprocess_cases import SHAPES, SMALL

GLMGA = {"image_processor_type": "GlmgaImageProcessor"}
GLM5 = {"image_processor_type": "Glm5NextImageProcessor"}
TOKENS = {"min_image_tokens": 4, "max_image_tokens": 12}
CONFIGS = {
    "glmga": GLMGA,
    "glmga-expand2": GLMGA | {"patch_expand_factor": 2},
    "glmga-expand3": GLMGA | {"patch_expand_factor": 3, "size": SMALL},
    "glm5": GLM5,
    "glm5-tokens": GLM5 | TOKENS,
    "glm5-expand2": GLM5 | {"patch_expand_factor": 2},
    "glm5-tokens-expand2": GLM5 | TOKENS | {"patch_expand_factor": 2},
    "glm5-one-token": GLM5 | {"min_image_tokens": 0, "max_image_tokens": 1},
    "glm5-minimum-above-maximum": GLM5 | {"min_image_tokens": 30, "max_image_tokens": 8},
    "glm5-tps4": GLM5 | TOKENS | {"temporal_patch_size": 4},
    "glm5-merge3": GLM5 | TOKENS | {"patch_size": 16, "merge_size": 3},
    "glm5-raw": GLM5 | TOKENS | {"do_rescale": False, "do_normalize": False},
    "glm5-bilinear": GLM5 | TOKENS | {"resample": 2},
    "bilinear": {"resample": 2, "size": SMALL},
    "bilinear-large": {"resample": "bilinear", "size": {"shortest_edge": 401408, "longest_edge": 802816}},
    "bicubic": {"resample": "bicubic", "size": SMALL},
    "one-number": {"size": SMALL, "image_mean": 0.5, "image_std": [0.25]},
    "one-number-raw": {"size": SMALL, "image_mean": 1, "image_std": 2, "do_rescale": False},
    "minimum-above-maximum": {"size": {"shortest_edge": 9408, "longest_edge": 3136}},
    "null": {"size": SMALL, "do_normalize": None, "image_mean": None, "do_convert_rgb": None},
    "switches-as-numbers": {"size": SMALL, "do_normalize": 0, "do_rescale": 1},
    "null-mean": {"size": SMALL, "image_mean": None},
    "null-filter": {"size": SMALL, "resample": None},
    "unused-number": {"size": SMALL, "temperature": float("nan"), "top": [float("inf"), -float("inf")]},
}


def processor_goldens():
    texts = {name: json.dumps({"image_processor_type": "Glm4vImageProcessor"} | config) for name, config in CONFIGS.items()}
    return {"configs": texts, "cases": [case(name, image, texts[name]) for name in CONFIGS for image in SHAPES]}


def case(name, image, text):
    """The grid, and checksums of the levels and of the values, as AutoImageProcessor gives them for this file."""
    found = {"config": name, "image": image}
    picture = load_image(str(IMAGES / image))
    try:
        values = process(text, picture)
    except (TypeError, ValueError) as error:
        return found | {"error": str(error)}
    rows = values["pixel_values"].numpy()
    return found | {
        "grid_thw": values["image_grid_thw"][0].tolist(),
        "row_width": rows.shape[1],
        "crc32_f32": zlib.crc32(rows.astype("<f4").tobytes()),
        "sum": float(rows.sum(dtype=np.float64)),
    }


def process(text, picture):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "preprocessor_config.json").write_text(text)
        processor = AutoImageProcessor.from_pretrained(folder)
    return processor(images=[picture], return_tensors="pt")
