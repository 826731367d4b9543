"""Columns of Daft."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import IMAGES, frame

daft = pytest.importorskip("daft", reason="daft is not installed")

import glm4v  # noqa: E402
import glm4v.daft  # noqa: E402


def test_columns_are_encoded(encoder):
    names = ["rgb-60x83.png", "animated.gif", "no-such.png", "chelsea.png"]
    paths = [str(IMAGES / name) for name in names]
    encode = glm4v.daft.Encoder(preset="tiny", errors="return").encode
    df = daft.from_pydict({"path": paths})
    items = df.with_column("item", encode(df["path"])).to_pydict()["item"]
    for row, item in zip(items, encoder.encode(paths, errors="return")):
        if row["error"]:
            assert row["error"] == str(item) and row["embeddings"] is None
        else:
            assert np.array_equal(np.asarray(row["embeddings"]), item.embeddings)
            assert tuple(row["grid_thw"]) == item.grid_thw
            assert row["timestamps"] == item.timestamps
    assert [bool(row["error"]) for row in items] == [False, False, True, False]


def test_images_of_daft_are_inputs(encoder):
    df = daft.from_pydict({"file": [(IMAGES / "rgb-60x83.png").read_bytes()]})
    df = df.with_column("image", daft.functions.decode_image(df["file"]))
    encode = glm4v.daft.Encoder(preset="tiny").encode
    (row,) = df.select(encode(df["image"]).alias("item")).to_pydict()["item"]
    (item,) = encoder.encode([IMAGES / "rgb-60x83.png"])
    assert np.array_equal(np.asarray(row["embeddings"]), item.embeddings)


def folder_of_images(folder):
    """24 images, one of them damaged."""
    from PIL import Image

    folder.mkdir()
    for index in range(24):
        Image.fromarray(frame(index, 56 + 28 * (index % 3), 84)).save(folder / f"{index:02}.png")
    (folder / "12.png").write_bytes(b"no image")
    return sorted(map(str, folder.iterdir()))


def assert_every_row_once(results, paths, encoder):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    rows = [row for file in results.rglob("*.parquet") for row in parquet.read_table(file).to_pylist()]
    assert sorted(row["path"] for row in rows) == paths
    found = {row["path"]: row["item"] for row in rows}
    for path, item in zip(paths, encoder.encode(paths, errors="return")):
        row = found[path]
        if isinstance(item, glm4v.Error):
            assert row["error"] == str(item) and row["embeddings"] is None
        else:
            assert row["error"] is None and tuple(row["grid_thw"]) == item.grid_thw
            embeddings = row["embeddings"]
            values = np.array(embeddings["data"], np.float32).reshape(embeddings["shape"])
            assert np.array_equal(values, item.embeddings)


JOB = """
import os, signal, sys
from pathlib import Path
import daft
import glm4v.daft

runner, photos, results, marker = sys.argv[1], *map(Path, sys.argv[2:])
paths = sorted(map(str, photos.iterdir()))

class Fragile(glm4v.daft._Encoder):
    @daft.method.batch(return_dtype=glm4v.daft._ITEM, batch_size=2)
    def encode(self, inputs):
        if runner == "ray" and paths[6] in inputs.to_pylist() and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        items = self.encoder.encode(inputs.to_pylist(), errors=self.errors)
        return [glm4v.daft._row(item) for item in items]

if runner == "ray":
    import ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    daft.set_runner_ray()
encoder = daft.cls(Fragile, max_concurrency=2, use_process=True)(preset="tiny", errors="return", num_threads=1)
rows = daft.from_pydict({"path": paths})
rows.with_column("item", encoder.encode(rows["path"])).write_parquet(str(results))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process is killed")
@pytest.mark.parametrize("runner", ["native", "ray"])
def test_two_workers_write_every_row_once(runner, encoder, tmp_path):
    """On Ray, one of them is killed."""
    if runner == "ray":
        pytest.importorskip("ray", reason="ray is not installed")
    paths = folder_of_images(tmp_path / "photos")
    folders = [tmp_path / name for name in ("photos", "results", "killed")]
    run = subprocess.run([sys.executable, "-c", JOB, runner, *map(str, folders)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "killed").exists() == (runner == "ray")
    assert_every_row_once(tmp_path / "results", paths, encoder)


def test_workers_have_the_arguments_of_the_encoder(encoder):
    encode = glm4v.daft.workers(2)(preset="tiny", errors="return").encode
    paths = [str(IMAGES / "rgb-60x83.png"), "no-such.png"]
    df = daft.from_pydict({"path": paths})
    first, second = df.select(encode(df["path"]).alias("item")).to_pydict()["item"]
    (item,) = encoder.encode(paths[:1])
    assert np.array_equal(np.asarray(first["embeddings"]), item.embeddings)
    assert "no-such.png" in second["error"]
