"""Batches of columns, alone and in Ray Data."""

import os
import signal
import sys

import glm4v
import glm4v.ray
import numpy as np
import pytest
from conftest import IMAGES, frame


def test_batches_get_columns(encoder):
    encode = glm4v.ray.Encoder(preset="tiny", column="image", errors="return", num_threads=glm4v.num_threads())
    batch = encode({"image": np.stack([frame(0, 84, 56), frame(1, 84, 56)]), "id": np.array([5, 6])})
    expected = encoder.encode([frame(0, 84, 56), frame(1, 84, 56)])
    assert batch["id"].tolist() == [5, 6]
    assert batch["grid_thw"].tolist() == [list(item.grid_thw) for item in expected]
    for found, item in zip(batch["embeddings"], expected):
        assert np.array_equal(found, item.embeddings)
    assert list(batch["error"]) == [None, None]

    paths = np.array([str(IMAGES / name) for name in ("no-such.png", "animated.gif")], object)
    batch = encode({"image": paths})
    assert batch["embeddings"][0].shape == (0, 256) and "no-such.png" in batch["error"][0]
    assert batch["grid_thw"][0].tolist() == [0, 0, 0]
    assert len(batch["timestamps"][0]) == 0 < len(batch["timestamps"][1]) == batch["grid_thw"][1][0]
    raising = glm4v.ray.Encoder(preset="tiny", column="image", num_threads=glm4v.num_threads())
    with pytest.raises(glm4v.InputError, match="no-such.png"):
        raising({"image": paths})


@pytest.fixture
def cluster():
    """Ray on this machine, with two processors."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_ray_data_encodes(cluster, encoder):
    names = ["rgb-60x83.png", "rgb-200x44.png", "exif-6.jpg", "chelsea.png"]
    rows = cluster.data.from_items([{"path": str(IMAGES / name)} for name in names]).map_batches(
        glm4v.ray.Encoder,
        fn_constructor_kwargs={"preset": "tiny", "column": "path"},
        compute=cluster.data.ActorPoolStrategy(size=1),
        num_cpus=1,
        batch_size=3,
    )
    found = {row["path"]: row for row in rows.take_all()}
    for item in encoder.encode([IMAGES / name for name in names]):
        row = found[item.name]
        assert np.array_equal(np.stack(row["embeddings"]), item.embeddings)
        assert list(row["grid_thw"]) == list(item.grid_thw)


@pytest.mark.skipif(sys.platform != "linux", reason="a process is killed")
def test_a_killed_worker_loses_no_row(cluster, encoder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    from PIL import Image

    photos, results, marker = tmp_path / "photos", tmp_path / "results", tmp_path / "killed"
    photos.mkdir()
    for index in range(24):
        Image.fromarray(frame(index, 56 + 28 * (index % 3), 84)).save(photos / f"{index:02}.png")
    (photos / "12.png").write_bytes(b"no image")
    paths = sorted(map(str, photos.iterdir()))

    class Fragile(glm4v.ray.Encoder):
        """The process that gets the seventh photo dies, once."""

        def __call__(self, batch):
            if paths[6] in batch["path"] and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(batch)

    rows = cluster.data.from_items([{"path": path} for path in paths]).map_batches(
        Fragile,
        fn_constructor_kwargs={"preset": "tiny", "column": "path", "errors": "return"},
        compute=cluster.data.ActorPoolStrategy(size=2),
        num_cpus=1,
        batch_size=2,
    )
    rows.write_parquet(str(results))
    assert marker.exists()
    found = {row["path"]: row for row in cluster.data.read_parquet(str(results)).take_all()}
    assert sum(parquet.read_metadata(file).num_rows for file in results.glob("*.parquet")) == len(paths) == len(found)
    for path, item in zip(paths, encoder.encode(paths, errors="return")):
        row = found[path]
        if isinstance(item, glm4v.Error):
            assert row["error"] == str(item) and len(row["embeddings"]) == 0
        else:
            assert row["error"] is None and list(row["grid_thw"]) == list(item.grid_thw)
            assert np.array_equal(np.stack(row["embeddings"]), item.embeddings)
