"""Parquet files, the cache, and embeddings for other programs."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import glm4v
import numpy as np
import pytest
from conftest import GOLDEN, IMAGES, frame, read_safetensors

NAMES = ["rgb-60x83.png", "animated.gif", "chelsea.png"]


def program(*args):
    run = subprocess.run([sys.executable, "-m", "glm4v", *map(str, args)], capture_output=True, text=True)
    assert run.returncode in (0, 3), run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def items(encoder):
    paths = [IMAGES / NAMES[0], "no-such.png", *(IMAGES / name for name in NAMES[1:])]
    return encoder.encode(paths, errors="return", uuid=True)


def test_a_failed_file_leaves_nothing(items, tmp_path):
    def failing():
        yield from items
        raise RuntimeError("no more")

    path = tmp_path / "file.parquet"
    with pytest.raises(RuntimeError, match="no more"):
        glm4v.write_parquet(path, failing())
    with pytest.raises(TypeError, match="found int"):
        glm4v.write_parquet(path, [*items, 3])
    assert list(tmp_path.iterdir()) == []


def test_refused_files(items, tmp_path):
    path = tmp_path / "file.parquet"
    with pytest.raises(glm4v.InputError, match="no type bf16"):
        glm4v.write_parquet(path, items, dtype="bf16")
    with pytest.raises(glm4v.InputError, match="expected one of none, mean, found max"):
        glm4v.write_parquet(path, items, pool="max")
    with pytest.raises(glm4v.InputError, match="give width="):
        glm4v.write_parquet(path, [items[1]])
    with pytest.raises(glm4v.StoreError, match="no-such-folder") as caught:
        glm4v.write_parquet(tmp_path / "no-such-folder/file.parquet", items)
    assert isinstance(caught.value, OSError)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_those_of_a_job(items, tmp_path):
    pytest.importorskip("pyarrow", minversion="26", reason="pyarrow 26 is not installed")
    from pyarrow import parquet

    path = tmp_path / "file.parquet"
    for dtype, pool in (("f32", "none"), ("f16", "mean")):
        # The error comes first, so that the width is not known yet.
        ordered = [items[1], items[0], *items[2:]]
        assert glm4v.write_parquet(path, ordered, dtype=dtype, pool=pool, metadata={"model": "tiny"}) == 4
        found = parquet.read_table(path)
        assert json.loads(found.schema.metadata[b"glm4v"])["model"] == "tiny"
        job = tmp_path / f"job-{dtype}"
        arguments = ["--preset", "tiny", "--output-dtype", dtype, "--pool", pool, "-o", f"{job}/"]
        (tmp_path / "no-such.png").write_bytes((IMAGES / NAMES[0]).read_bytes()[:100])
        program("encode", tmp_path / "no-such.png", *(IMAGES / name for name in NAMES), *arguments)
        expected = parquet.read_table(job / "shard-000000.parquet")
        assert found.schema.equals(expected.schema)
        for column in found.column_names:
            if column in ("id", "path", "sha256", "error"):
                continue
            assert found[column].equals(expected[column]), column
        assert found["path"].to_pylist()[1:] == expected["path"].to_pylist()[1:]
        assert "no-such.png" in found["error"].to_pylist()[0] and found["error"].null_count == 3


def test_files_of_errors_alone(items, tmp_path):
    assert glm4v.write_parquet(tmp_path / "file.parquet", [items[1]], width=256) == 1


def test_the_cache_of_vllm_is_that_of_the_program(items, tmp_path):
    images = [IMAGES / name for name in NAMES]
    output = program("encode", *images, "--to", "vllm-cache", "-o", f"{tmp_path}/program/", "--preset", "tiny", "--json")
    expected = json.loads(output.splitlines()[-1])["items"]
    encoded = [item for item in items if isinstance(item, glm4v.Item)]
    assert [item.uuid for item in encoded] == [item["uuid"] for item in expected]
    for item, theirs in zip(encoded, expected):
        ours = glm4v.write_vllm_cache(tmp_path / "ours", item)
        assert ours == str(tmp_path / "ours" / item.uuid / "encoder_cache.safetensors")
        with open(ours, "rb") as found, open(theirs["path"], "rb") as file:
            assert found.read() == file.read()


def test_the_cache_of_vllm_needs_a_name(encoder, items, tmp_path):
    (item,) = encoder.encode([IMAGES / NAMES[0]])
    assert item.uuid is None
    with pytest.raises(glm4v.InputError, match="uuid=True"):
        glm4v.write_vllm_cache(tmp_path, item)
    with pytest.raises(glm4v.InputError, match="cannot be the name of a folder"):
        glm4v.write_vllm_cache(tmp_path, item, uuid="../elsewhere")
    assert glm4v.write_vllm_cache(tmp_path, item, uuid="mine").startswith(str(tmp_path / "mine"))


def test_parts_are_those_of_the_program(items):
    output = program("encode", IMAGES / NAMES[0], "--to", "openai", "--output-dtype", "f16", "--preset", "tiny")
    part = glm4v.openai_part(items[0], dtype="f16")
    assert part == json.loads(output)
    arrays = {name: np.load(io.BytesIO(base64.b64decode(value))) for name, value in part["image_embeds"].items()}
    assert np.array_equal(arrays["image_embeds"], items[0].embeddings.astype(np.float16))
    assert arrays["image_grid_thw"].tolist() == [list(items[0].grid_thw)]
    assert glm4v.openai_part(items[0], uuid="mine")["uuid"] == "mine"


def test_refused_parts(items):
    with pytest.raises(glm4v.InputError, match="images only, and this is a video"):
        glm4v.openai_part(items[2])
    with pytest.raises(glm4v.InputError, match="no type bf16"):
        glm4v.openai_part(items[0], dtype="bf16")


def test_the_cache_has_the_same_bits(encoder, tmp_path):
    cached = glm4v.VisionEncoder.from_pretrained(preset="tiny", cache=tmp_path / "cache")
    inputs = [frame(0, 84, 56), frame(1, 56, 56), IMAGES / "animated.gif", "no-such.png", frame(0, 84, 56)]
    expected = encoder.encode(inputs, errors="return")
    for _ in range(2):
        found = cached.encode(inputs, errors="return")
        assert str(found[3]) == str(expected[3])
        for ours, theirs in zip(found, expected):
            if isinstance(ours, glm4v.Item):
                assert np.array_equal(ours.embeddings, theirs.embeddings)
                assert (ours.index, ours.name, ours.grid_thw) == (theirs.index, theirs.name, theirs.grid_thw)
    files = sorted((tmp_path / "cache").rglob("*.safetensors"))
    assert len(files) == 3, "the first and the last image are the same"
    assert found[0].uuid == found[4].uuid in {file.stem[:32] for file in files}


def test_embeddings_come_from_the_cache(tmp_path):
    options = {"preset": "tiny", "cache": tmp_path}
    (item,) = glm4v.VisionEncoder.from_pretrained(**options).encode([frame(0, 84, 56)])
    (file,) = tmp_path.rglob("*.safetensors")
    assert np.array_equal(read_safetensors(file)["embeddings"], item.embeddings)
    # The program has the same keys, so it does not write another file.
    image = tmp_path / "image.png"
    from PIL import Image

    Image.fromarray(frame(0, 84, 56)).save(image)
    program("encode", image, "--preset", "tiny", "--cache", tmp_path, "-o", tmp_path / "out.npy")
    assert list(tmp_path.rglob("*.safetensors")) == [file]
    # Another type has another key.
    glm4v.VisionEncoder.from_pretrained(**options, dtype="bf16").encode([frame(0, 84, 56)])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


@pytest.mark.parametrize("options", [{"cache": "cache"}, {}])
def test_weights_that_changed_after_loading_have_no_names(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(GOLDEN / "patch14-f32", "out")
    (weights,) = Path("out").glob("model*.safetensors")
    os.utime(weights, (1, 1))
    load, image = glm4v.VisionEncoder.from_pretrained, frame(0, 84, 56)
    old = load("out", **options)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(glm4v.ModelError, match=f"{weights.name}: the file changed .* load the model again"):
        old.encode([image], uuid=True)
    assert not list(Path().glob("cache/**/*.safetensors"))
    # Once the weights have been hashed, a change does not matter.
    new = load("out", **options)
    (first,) = new.encode([image], uuid=True)
    weights.write_bytes(bytes(content))
    (second,) = new.encode([image], uuid=True)
    assert first.uuid == second.uuid


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(glm4v.StoreError, match="file"):
        glm4v.VisionEncoder.from_pretrained(preset="tiny", cache=tmp_path / "file" / "cache")
    cached = glm4v.VisionEncoder.from_pretrained(preset="tiny", cache=tmp_path / "cache")
    # All folders of entries are files.
    for digits in range(256):
        (tmp_path / "cache" / f"{digits:02x}").write_text("no folder")
    with pytest.warns(UserWarning, match="the cache cannot be written"):
        (item,) = cached.encode([frame(0, 84, 56)])
    assert np.isfinite(item.embeddings).all()
