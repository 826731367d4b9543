"""Encoding with Daft.

    encoder = glm4v.daft.Encoder("zai-org/GLM-4.1V-9B-Thinking", dtype="bf16")
    df = daft.from_pydict({"path": ["cat.jpg", "walk.mp4"]})
    df = df.with_column("item", encoder.encode(df["path"]))
    df.select(df["item"]["embeddings"], df["item"]["error"])
"""

from __future__ import annotations

import os
from typing import Any, Literal

import daft

from glm4v._encoder import Item, VisionEncoder
from glm4v._errors import Error

_ITEM = daft.DataType.struct(
    {
        "embeddings": daft.DataType.tensor(daft.DataType.float32()),
        "grid_thw": daft.DataType.list(daft.DataType.int64()),
        "timestamps": daft.DataType.list(daft.DataType.float64()),
        "error": daft.DataType.string(),
    }
)


class _Encoder:
    """An encoder as a Daft class. Each instance loads the model once.

    The arguments are those of `VisionEncoder.from_pretrained`. With `errors="return"`, an input that fails has a message in
    the field `error`, and the other fields are null. With "raise", the first one stops the query.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        errors: Literal["raise", "return"] = "raise",
        **options: Any,
    ) -> None:
        self.encoder = VisionEncoder.from_pretrained(model, **options)
        self.errors = errors

    @daft.method.batch(return_dtype=_ITEM)
    def encode(self, inputs: daft.Series) -> list[dict[str, Any]]:
        """Encodes a column of paths, of bytes of images, or of images.

        The result has the fields `embeddings`, a float32 tensor `[tokens, out_hidden_size]`; `grid_thw`; `timestamps`, the
        times of a video in seconds, null for an image; and `error`.
        """
        items = self.encoder.encode(inputs.to_pylist(), errors=self.errors)
        return [_row(item) for item in items]


Encoder = daft.cls(_Encoder)
"""One encoder in the process of the query, or on a cluster wherever Daft runs its work."""


def workers(count: int, **options: Any) -> Any:
    """`Encoder` as a class with `count` processes, each with an encoder of its own.

        encoder = glm4v.daft.workers(4, cpus=8)("zai-org/GLM-4.1V-9B-Thinking", dtype="bf16", num_threads=8)

    On Ray (`daft.set_runner_ray`), a process that dies is started again, and its rows are encoded again. `options` are those
    of `daft.cls`, such as `cpus`.
    """
    return daft.cls(_Encoder, max_concurrency=count, **options)


def _row(item: Item | Error) -> dict[str, Any]:
    if isinstance(item, Error):
        return {"embeddings": None, "grid_thw": None, "timestamps": None, "error": str(item)}
    return {
        "embeddings": item.embeddings,
        "grid_thw": list(item.grid_thw),
        "timestamps": item.timestamps,
        "error": None,
    }
