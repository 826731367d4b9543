"""Files with embeddings. The Rust library writes them, as the program does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from glm4v import _native, _options
from glm4v._encoder import Item
from glm4v._errors import Error, InputError


def write_parquet(
    path: str | os.PathLike[str],
    items: Iterable[Item | Error],
    *,
    dtype: Any = "f32",
    pool: Literal["none", "mean"] = "none",
    width: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> int:
    """Writes items into one Parquet file, with the columns of the program's jobs (docs/job-format.md). Returns the number of rows.

        glm4v.write_parquet("photos.parquet", encoder.encode_iter(paths, errors="return"), dtype="f16")

    Memory does not grow with the number of items. The file appears when it is complete, and replaces an older one.

    Args:
        path: The file.
        items: Items of an encoder. An `Error` is a row with its message in the column `error`, without embeddings.
        dtype: The type of the stored embeddings: "f32" or "f16". Parquet has no bf16.
        pool: "mean" stores one vector for each item, the mean of its tokens. "none" stores all tokens.
        width: The width of the embeddings, `encoder.out_hidden_size`. It is only needed if no item has embeddings.
        metadata: What the file says of itself, such as the name of the model: an object of JSON, under the key `glm4v`.

    Raises:
        StoreError: if the file cannot be written.
        InputError: for an item of another width, and for a type that Parquet does not have.
    """
    def create(width: int) -> _native.ParquetFile:
        return _native.ParquetFile(os.fspath(path), width, _options.dtype(dtype), pool, json.dumps(dict(metadata or {})))

    # Errors before the first item wait for its width.
    file, waiting = None, []
    try:
        for item in items:
            if isinstance(item, Item) and file is None:
                file = create(item.embeddings.shape[1])
            waiting.append(_checked(item))
            if file is not None:
                _push(file, waiting)
        if file is None:
            if width is None:
                raise InputError(
                    "no item has embeddings, so their width is not known: give width=encoder.out_hidden_size to write the errors"
                )
            file = create(width)
            _push(file, waiting)
        return file.finish()
    except BaseException:
        # The unfinished file disappears with the last reference, and the traceback has one.
        file = None
        raise


def write_vllm_cache(directory: str | os.PathLike[str], item: Item, *, uuid: str | None = None) -> str:
    """Writes the embeddings for vLLM's `ECExampleConnector`: `DIRECTORY/UUID/encoder_cache.safetensors`, in bf16.

    A request then has the image and this `uuid`, and vLLM does not run its vision tower. `uuid` is `item.uuid` by default.
    Returns the path of the file.

    Raises:
        StoreError: if the file cannot be written.
        InputError: if there is no uuid, or if it cannot be the name of a folder.
    """
    uuid = item.uuid if uuid is None else uuid
    if uuid is None:
        raise InputError("the item has no uuid: encode with uuid=True, or give a uuid")
    return str(_native.write_vllm_cache(os.fspath(directory), uuid, _rows(item)))


def openai_part(item: Item, *, dtype: Any = "f32", uuid: str | None = None) -> dict[str, Any]:
    """The embeddings of an image as a content part of OpenAI's chat protocol, which vLLM's server takes.

        {"type": "image_embeds", "image_embeds": {"image_embeds": "…", "image_grid_thw": "…"}, "uuid": "…"}

    GLM models of vLLM need the plugin `glm4v.vllm`, which is active where this package is installed beside vLLM, and the server's
    option `--enable-mm-embeds`.

    Args:
        item: An image.
        dtype: The type in which the embeddings are sent: "f32" or "f16". The protocol has no bf16.
        uuid: A name by which the server finds the embeddings again. The default is `item.uuid`.

    Raises:
        InputError: for a video, and for another type.
    """
    if item.kind != "image":
        raise InputError(f"{item.name}: the protocol has embeddings of images only, and this is a {item.kind}")
    part = _native.openai_part(_rows(item), item.grid_thw, _options.dtype(dtype), item.uuid if uuid is None else uuid)
    return json.loads(part)


def _checked(item: Any) -> Item | Error:
    if not isinstance(item, (Item, Error)):
        raise TypeError(f"expected a glm4v.Item or a glm4v.Error, found {type(item).__name__}")
    return item


def _push(file: _native.ParquetFile, items: list[Item | Error]) -> None:
    """Writes the items, and empties the list."""
    for item in items:
        if isinstance(item, Error):
            file.push_error(item.name or "", str(item))
            continue
        video = None
        if item.frames_indices is not None:
            of_source = (item.source_fps, item.source_seconds, item.source_frames)
            video = (item.frames_indices, item.timestamps, *of_source)
        file.push(item.name, item.grid_thw, _rows(item), video)
    items.clear()


def _rows(item: Item) -> np.ndarray:
    return np.ascontiguousarray(item.embeddings, np.float32)
