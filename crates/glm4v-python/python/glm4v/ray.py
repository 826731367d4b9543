"""Encoding with Ray Data.

    ds = ray.data.from_items([{"path": "cat.jpg"}, {"path": "walk.mp4"}])
    ds = ds.map_batches(
        glm4v.ray.Encoder,
        fn_constructor_kwargs={"model": "zai-org/GLM-4.1V-9B-Thinking", "dtype": "bf16", "column": "path"},
        compute=ray.data.ActorPoolStrategy(size=4),
        num_cpus=8,
        batch_size=64,
    )

The module does not import ray: an `Encoder` takes any dictionary of columns.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np

from glm4v._encoder import Item, VisionEncoder
from glm4v._errors import Error


class Encoder:
    """Adds the embeddings of a column of inputs to batches.

    New columns: `embeddings`, for each row a float32 array `[tokens, out_hidden_size]`; `grid_thw`, `[rows, 3]`;
    `timestamps`, for each row the times of a video in seconds, and nothing for an image; `error`, the message for an input
    that failed, or else None. A failed input has no tokens.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        column: str,
        errors: Literal["raise", "return"] = "raise",
        num_threads: int | None = None,
        **options: Any,
    ) -> None:
        """Loads the encoder, once for each actor.

        Args:
            model, options: As in `VisionEncoder.from_pretrained`.
            column: The column of inputs: paths, bytes or images, as in `VisionEncoder.encode`.
            errors: "raise" stops the job at the first input that fails. "return" keeps the row, with the column `error`.
            num_threads: The number of threads. Ray sets `OMP_NUM_THREADS` to the `num_cpus` of the actor; this is the default.
        """
        if num_threads is None and "OMP_NUM_THREADS" in os.environ:
            num_threads = int(os.environ["OMP_NUM_THREADS"])
        self.encoder = VisionEncoder.from_pretrained(model, num_threads=num_threads, **options)
        self.column = column
        self.errors = errors

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        items = self.encoder.encode(list(batch[self.column]), errors=self.errors)
        rows = [self._row(item) for item in items]
        grids = np.array([row[1] for row in rows], np.int64).reshape(-1, 3)
        return {
            **batch,
            "embeddings": _column([row[0] for row in rows]),
            "grid_thw": grids,
            "timestamps": _column([np.array(row[2], np.float64) for row in rows]),
            "error": _column([row[3] for row in rows]),
        }

    def _row(self, item: Item | Error) -> tuple:
        if isinstance(item, Error):
            return np.zeros((0, self.encoder.out_hidden_size), np.float32), (0, 0, 0), [], str(item)
        return item.embeddings, item.grid_thw, item.timestamps or [], None


def _column(values: list) -> np.ndarray:
    """An array of objects: rows may differ in shape."""
    column = np.empty(len(values), object)
    for index, value in enumerate(values):
        column[index] = value
    return column
