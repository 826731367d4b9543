"""Batches of columns, alone and in Ray Data."""

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


def test_ray_data_encodes(encoder):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    names = ["rgb-60x83.png", "rgb-200x44.png", "exif-6.jpg", "chelsea.png"]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        rows = ray.data.from_items([{"path": str(IMAGES / name)} for name in names]).map_batches(
            glm4v.ray.Encoder,
            fn_constructor_kwargs={"preset": "tiny", "column": "path"},
            compute=ray.data.ActorPoolStrategy(size=1),
            num_cpus=1,
            batch_size=3,
        )
        found = {row["path"]: row for row in rows.take_all()}
    finally:
        ray.shutdown()
    for item in encoder.encode([IMAGES / name for name in names]):
        row = found[item.name]
        assert np.array_equal(np.stack(row["embeddings"]), item.embeddings)
        assert list(row["grid_thw"]) == list(item.grid_thw)
