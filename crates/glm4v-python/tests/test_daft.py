"""Columns of Daft."""

import numpy as np
import pytest
from conftest import IMAGES

daft = pytest.importorskip("daft", reason="daft is not installed")

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
