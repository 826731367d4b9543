"""What the readers compare with: the values that tests/python.rs stored."""

import importlib
import json
import pathlib
import sys

import numpy as np


def need(name):
    """The package, or the end of the script with the status that means skipped."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"no package {name}: {error}")
        sys.exit(77)


DIR = pathlib.Path(sys.argv[1])


def expected():
    """The inputs, each with its tokens in f32."""
    stored = json.loads((DIR / "expected.json").read_text())
    for number, row in enumerate(stored["inputs"]):
        bits = np.array(row["bits"], dtype=np.uint32)
        row["number"] = number
        row["tokens"] = bits.view(np.float32).reshape(-1, stored["width"])
        row["encoded"] = row["error"] is None
        row["frame_indices"] = stored["frame_indices"] if row["video"] and row["encoded"] else None
        row["timestamps"] = stored["timestamps"] if row["video"] and row["encoded"] else None
    return stored["inputs"]


def values(row, dtype, pool):
    """The values of a row as they are stored: `[tokens, width]`, or `[width]` if they are pooled."""
    tokens = row["tokens"]
    if pool == "mean":
        with np.errstate(invalid="ignore"):
            tokens = tokens.astype(np.float64).mean(axis=0).astype(np.float32)
    return tokens.astype(np.float16) if dtype == "f16" else tokens


def same(found, wanted):
    """Whether all values are equal. NaN is equal to NaN."""
    found = np.asarray(found)
    return found.shape == wanted.shape and np.array_equal(found.astype(np.float32), wanted.astype(np.float32), equal_nan=True)


def jobs():
    """The directories of Parquet jobs, with their type and pooling."""
    for dtype in ("f32", "f16"):
        for pool in ("none", "mean"):
            yield dtype, pool, DIR / f"parquet-{dtype}-{pool}"


def check_rows(rows, dtype, pool):
    """Compares rows, as dictionaries of Python values, with what was stored."""
    inputs = expected()
    assert len(rows) == len(inputs), (len(rows), len(inputs))
    for found, wanted in zip(rows, inputs):
        for name in ("id", "path", "error", "frame_indices", "timestamps"):
            value = found[name]
            value = list(value) if name in ("frame_indices", "timestamps") and value is not None else value
            assert value == wanted[name], (name, value, wanted[name])
        if not wanted["encoded"]:
            assert found["embeddings"] is None and found["grid_thw"] is None and found["num_tokens"] is None, found
            continue
        assert list(found["grid_thw"]) == wanted["grid_thw"]
        assert found["num_tokens"] == len(wanted["tokens"])
        embeddings = np.array([list(token) if pool == "none" else token for token in found["embeddings"]])
        assert same(embeddings, values(wanted, dtype, pool)), (wanted["id"], embeddings)
