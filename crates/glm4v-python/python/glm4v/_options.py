"""Arguments that several classes share, as the native module reads them."""

from __future__ import annotations

import os
from typing import Any

from glm4v._errors import InputError

_DTYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def model(
    model: str | os.PathLike[str] | None,
    *,
    preset: str | None,
    seed: int = 0,
    revision: str | None = None,
    offline: bool = False,
    processor: str | os.PathLike[str] | None = None,
    min_tokens: int | None = None,
    max_tokens: int | None = None,
    min_pixels: int | None = None,
    max_pixels: int | None = None,
) -> dict[str, Any]:
    """Which model is loaded. Another process with another working directory can use the result."""
    if (model is None) == (preset is None):
        raise InputError("expected either a model (a directory or a name on the hub) or a preset, such as preset='tiny'")
    return {
        "model": _absolute(model),
        "preset": preset,
        "seed": seed,
        "revision": revision,
        "offline": offline,
        "processor": _absolute(processor),
        "min_tokens": min_tokens,
        "max_tokens": max_tokens,
        "min_pixels": min_pixels,
        "max_pixels": max_pixels,
    }


def reading(source_fps: float | None = None, first_frame_only: bool = False) -> dict[str, Any]:
    return {"source_fps": source_fps, "first_frame_only": first_frame_only}


def dtype(value: Any) -> str:
    """f32, bf16, f16 or int8, from that name, from numpy's or torch's name, or from a dtype of torch."""
    name = str(value).removeprefix("torch.")
    return _DTYPES.get(name, name)


def _absolute(model: str | os.PathLike[str] | None) -> str | None:
    if model is None:
        return None
    model = os.fsdecode(model)
    return os.path.abspath(model) if os.path.exists(model) else model
