"""What the tests share. They need numpy, Pillow and pytest; tests of integrations are skipped where a package is missing."""

import json
import struct
from pathlib import Path

import glm4v
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/golden"
IMAGES = ROOT / "tests/images"
VIDEOS = ROOT / "tests/videos"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/inputs.json"))

DTYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


def read_safetensors(path):
    """The tensors of a file, by name."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in tensor["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return tensors


def frame(index, height, width):
    """The frames of the synthetic videos of the goldens, as in `tests/golden/clips.py`."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    return ((3 * x + 5 * y + 17 * index + 40 * channel + 3 * (x * y * (index + 1) % 61)) % 256).astype(np.uint8)


def inputs_of(case):
    """The inputs of a golden."""

    def one(entry):
        if isinstance(entry, str):
            return IMAGES / entry
        if "video" in entry:
            return VIDEOS / entry["video"]
        frames = np.stack([frame(index, entry["height"], entry["width"]) for index in range(entry["num_frames"])])
        return glm4v.Video(frames, entry["fps"], entry["duration"])

    return [one(entry) for entry in json.loads((GOLDEN / case / "inputs.json").read_text())]


def difference(found, expected):
    """The relative L2 error."""
    expected = expected.astype(np.float64)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.fixture(scope="session")
def encoder():
    return glm4v.VisionEncoder.from_pretrained(preset="tiny")
