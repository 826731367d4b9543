"""The values: those of the goldens of transformers, and in every bit those of the program."""

import subprocess
import sys
from pathlib import Path

import glm4v
import numpy as np
import pytest
from conftest import CASES, GOLDEN, IMAGES, difference, inputs_of, read_safetensors

# As `cargo xtask test-parity`.
TOLERANCE = 5e-6


def program(*args):
    return subprocess.run([sys.executable, "-m", "glm4v", *map(str, args)], capture_output=True, text=True)


@pytest.fixture(scope="module", params=CASES)
def encoded(request):
    case = request.param
    inputs = inputs_of(case)
    encoder = glm4v.VisionEncoder.from_pretrained(GOLDEN / case)
    try:
        items = encoder.encode(inputs)
    except glm4v.InputError as error:
        if "install ffmpeg" in str(error):
            pytest.skip(str(error))
        raise
    return case, encoder, inputs, items


def test_embeddings_equal_the_golden(encoded):
    case, _, _, items = encoded
    expected = read_safetensors(GOLDEN / case / "expected.safetensors")
    found = np.concatenate([item.embeddings for item in items])
    assert difference(found, expected["merger"]) < TOLERANCE
    assert [list(item.grid_thw) for item in items] == expected["grid_thw"].tolist()


def test_processor_equals_the_golden(encoded):
    case, encoder, inputs, items = encoded
    expected = read_safetensors(GOLDEN / case / "expected.safetensors")["pixel_values"]
    kinds = {kind: [input for input, item in zip(inputs, items) if item.kind == kind] for kind in ("image", "video")}
    found = encoder.processor(images=kinds["image"], videos=kinds["video"])
    rows, start = {"image": [], "video": []}, 0
    for item in items:
        end = start + int(np.prod(item.grid_thw))
        rows[item.kind].append(expected[start:end])
        start = end
    for kind, name in ("image", "pixel_values"), ("video", "pixel_values_videos"):
        if rows[kind]:
            assert np.array_equal(found[name], np.concatenate(rows[kind])), name


def test_bits_equal_those_of_the_program(encoded, tmp_path):
    case, _, inputs, items = encoded
    if not all(isinstance(input, Path) for input in inputs):
        pytest.skip("the program takes files only")
    for dtype in ("f32", "bf16"):
        output = tmp_path / f"{dtype}.safetensors"
        run = program("encode", *inputs, "-m", GOLDEN / case, "--dtype", dtype, "-o", output)
        assert run.returncode == 0, run.stderr
        if dtype != "f32":
            items = glm4v.VisionEncoder.from_pretrained(GOLDEN / case, dtype=dtype).encode(inputs)
        found = np.concatenate([item.embeddings for item in items])
        assert np.array_equal(found, read_safetensors(output)["embeddings"]), dtype


def test_the_program_has_its_exit_status():
    assert program("--version").stdout.split() == ["glm4v", glm4v.__version__]
    assert program("encode").returncode == 2
    failed = program("encode", IMAGES / "no-such.png")
    assert failed.returncode == 1
    assert "no-such.png" in failed.stderr
