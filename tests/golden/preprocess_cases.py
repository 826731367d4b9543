"""The preprocessing cases: checksums of patch rows for images × options, and rows of smart_resize."""

import zlib

import numpy as np
from transformers.image_utils import load_image
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor, smart_resize

from pictures import IMAGES
from tower_cases import CLIP

PUBLISHED = {"shortest_edge": 12544, "longest_edge": 9633792}
DEFAULTS = {
    "size": PUBLISHED,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    **CLIP,
}
SMALL = {"shortest_edge": 3136, "longest_edge": 9408}
OPTIONS = {
    "published": {},
    "small": {"size": SMALL},
    "large": {"size": {"shortest_edge": 401408, "longest_edge": 802816}},
    "merge3": {"merge_size": 3, "size": {"shortest_edge": 28224, "longest_edge": 56448}},
    "patch16-tps1": {
        "patch_size": 16,
        "temporal_patch_size": 1,
        "size": {"shortest_edge": 4096, "longest_edge": 30000},
    },
    "tps4": {"temporal_patch_size": 4},
    "no-resize": {"do_resize": False},
    "no-rescale": {"size": SMALL, "do_rescale": False},
    "no-normalize": {"size": SMALL, "do_normalize": False},
    "raw": {"size": SMALL, "do_rescale": False, "do_normalize": False},
    "other-mean": {
        "size": SMALL,
        "rescale_factor": 0.005,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.25, 0.2],
    },
}
EVERY_IMAGE = ["published", "small"]
SHAPES = ["chelsea.png", "rgb-20x47.png", "rgb-56x84.png", "rgb-90x62.png", "rgb-200x44.png", "rgb-100x190.png"]
DIFFERS = {
    "gray16.png": "Pillow clips 16-bit gray to 255, we scale it",
}


def preprocess_goldens():
    options = {name: DEFAULTS | changes for name, changes in OPTIONS.items()}
    return {"options": options, "cases": [preprocess_case(*pair, options) for pair in preprocess_pairs()]}


def preprocess_pairs():
    images = sorted(path.name for path in IMAGES.iterdir() if path.suffix != ".md")
    pairs = [(image, option) for image in images for option in EVERY_IMAGE]
    others = [option for option in OPTIONS if option not in EVERY_IMAGE and option != "no-resize"]
    return pairs + [(image, option) for image in SHAPES for option in others] + [("rgb-56x84.png", "no-resize")]


def preprocess_case(image, name, options):
    case = {"image": image, "options": name} | ({"differs": DIFFERS[image]} if image in DIFFERS else {})
    picture = load_image(str(IMAGES / image))
    case["width"], case["height"] = picture.size
    try:
        plain = process(picture, options[name] | {"do_rescale": False, "do_normalize": False})
    except ValueError as error:
        return case | {"error": str(error)}
    values = plain["pixel_values"].numpy()
    assert values.min() >= 0 and values.max() <= 255 and (values == np.round(values)).all()
    pixels = process(picture, options[name])["pixel_values"].numpy()
    rows, width = values.shape
    return case | {
        "grid_thw": plain["image_grid_thw"][0].tolist(),
        "rows": rows,
        "row_width": width,
        "crc32_u8": zlib.crc32(values.astype(np.uint8).tobytes()),
        "crc32_f32": zlib.crc32(pixels.astype("<f4").tobytes()),
        "sum": float(pixels.sum(dtype=np.float64)),
        "sum_of_squares": float(np.square(pixels.astype(np.float64)).sum()),
    }


def process(picture, options):
    return Glm4vImageProcessor(**options)(images=[picture], return_tensors="pt")


ORACLE = [(6000, 4000), (4000, 3000), (3000, 3000), (5000, 4000), (1700, 2200), (100, 100)]


def smart_resize_rows():
    """frames, height, width, temporal_factor, factor, min_pixels, max_pixels, then the reference's answer h_bar, w_bar,
    which is 0, 0 where it refuses the aspect ratio."""
    draw = np.random.default_rng(7)
    published = (PUBLISHED["shortest_edge"], PUBLISHED["longest_edge"])
    questions = [(2, height, width, 2, 28, *published) for width, height in ORACLE]
    questions += [(2, height, width, 2, 28, *published) for height, width in edge_sides(28)]
    questions += [(1, height, width, 1, 48, 2304, 10**7) for height, width in edge_sides(48)]
    questions += [random_question(draw) for _ in range(2000 - len(questions))]
    return [[*question, *answer(question)] for question in questions]


def edge_sides(factor):
    """Exact halves of the factor, sides around one factor, and ratios around 200."""
    halves = [factor * step // 2 for step in range(1, 14)]
    around = [1, 2, factor - 1, factor, factor + 1]
    pairs = [(height, width) for height in halves + around for width in (halves[4], halves[5], factor + 3)]
    return pairs + [(factor * 200 + extra, factor) for extra in (-1, 0, 1)] + [(3, 600), (3, 601), (1, 200), (1, 201)]


def random_question(draw):
    temporal = int(draw.choice([1, 2, 4]))
    factor = int(draw.choice([28, 28, 32, 42, 48]))
    frames = temporal if draw.random() < 0.5 else temporal + int(np.exp(draw.uniform(0, np.log(600))))
    height, width = (int(side) for side in np.exp(draw.uniform(0, np.log(12000), 2)))
    if draw.random() < 0.3:
        height = factor * height // (2 * factor) + factor // 2
    least = int(np.exp(draw.uniform(np.log(1000), np.log(200000))))
    most = least * int(np.exp(draw.uniform(np.log(2), np.log(2000))))
    limits = [(12544, 9633792), (12544, 47040000), (least, most)]
    return (frames, height, width, temporal, factor, *limits[int(draw.integers(3))])


def answer(question):
    frames, height, width, temporal, factor, least, most = question
    try:
        return smart_resize(frames, height, width, temporal, factor, least, most)
    except ValueError:
        return (0, 0)
