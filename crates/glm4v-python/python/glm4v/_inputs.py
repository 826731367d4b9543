"""From Python objects to the tuples that the native module reads. PIL and torch are never imported here: an object can only
be theirs if its module is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from glm4v._errors import InputError

_CHANNELS = (1, 3, 4)
_KINDS = "a path, bytes, a binary file, a PIL image, a uint8 array, a uint8 torch tensor or a glm4v.Video"


class Video:
    """The decoded frames of a video, and how many a second there are.

    `frames` are all frames, in order: a uint8 array `[t, height, width, channels]`, a uint8 torch tensor
    `[t, channels, height, width]`, or a list of images (PIL, arrays or tensors) of one size. The processor samples from them.
    `duration` is the length in seconds, if it is not the number of frames divided by `fps`.
    """

    __slots__ = ("duration", "fps", "frames")

    def __init__(self, frames: Any, fps: float | None, duration: float | None = None) -> None:
        self.frames = frames
        self.fps = fps
        self.duration = duration

    def __repr__(self) -> str:
        return f"glm4v.Video({type(self.frames).__name__}, fps={self.fps})"


def is_single(value: Any) -> bool:
    """Whether `value` is one input, and not a list of inputs."""
    single = (str, bytes, bytearray, memoryview, os.PathLike, Video)
    return isinstance(value, single) or _is_array(value) or _is_pil(value) or hasattr(value, "read")


def sources(inputs: Iterable[Any], failed: dict[int, InputError]) -> Iterator[tuple]:
    """The tuples for `inputs`. An input that cannot be converted becomes an empty file, and its error is kept in `failed`."""
    for index, value in enumerate(inputs):
        try:
            yield source(value, f"input {index}")
        except Exception as cause:
            error = InputError(f"input {index}: {_reason(cause)}")
            error.__cause__ = cause
            error.index, error.name = index, f"input {index}"
            failed[index] = error
            yield "bytes", error.name, b""


def source(value: Any, name: str) -> tuple:
    """The tuple for one input. `name` stands for bytes and files without a name in messages."""
    if isinstance(value, (str, os.PathLike)):
        return "path", os.fsdecode(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes", name, bytes(value)
    if isinstance(value, Video):
        return "frames", _frames(value.frames), _seconds(value.fps, "fps"), _seconds(value.duration, "duration")
    if hasattr(value, "read") and not _is_pil(value):
        return _file(value, name)
    if _is_pil(value) or _is_array(value):
        return "image", _image(value)
    raise TypeError(f"expected {_KINDS}, found {type(value).__name__}")


def _seconds(value: Any, what: str) -> float | None:
    try:
        return value if value is None else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{what}: expected a number, found {value!r}") from None


def _file(file: Any, name: str) -> tuple:
    data = file.read()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError('the file is open as text: open it with mode "rb"')
    path = getattr(file, "name", None)
    return "bytes", path if isinstance(path, str) else name, bytes(data)


def _image(value: Any) -> np.ndarray:
    """The pixels of an image: uint8 `[height, width, 1 or 3]`, contiguous."""
    if _is_pil(value):
        return _pil(value)
    pixels = _pixels(value)
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels[:, :, None])
    if pixels.ndim != 3:
        hint = "; a video is glm4v.Video(frames, fps=…)" if pixels.ndim == 4 else ""
        raise ValueError(f"expected an image of 2 or 3 dimensions, found shape {list(pixels.shape)}{hint}")
    return np.ascontiguousarray(_channels_last(value, pixels))


def _pil(image: Any) -> np.ndarray:
    """As `load_image` of transformers: the EXIF orientation is applied, then Pillow converts to RGB."""
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _frames(frames: Any) -> np.ndarray:
    """The frames of a video: uint8 `[t, height, width, 3]`, contiguous."""
    if isinstance(frames, Sequence) and not _is_array(frames):
        pixels = [_rgb(_image(frame)) for frame in frames]
        sizes = sorted({frame.shape[:2] for frame in pixels})
        if len(sizes) > 1:
            raise ValueError(f"all frames of a video must have one size, found (height, width) {sizes[0]} and {sizes[1]}")
        return np.stack(pixels) if pixels else np.zeros((0, 0, 0, 3), np.uint8)
    pixels = _pixels(frames)
    if pixels.ndim != 4:
        raise ValueError(f"expected frames of 4 dimensions, found shape {list(pixels.shape)}")
    return np.ascontiguousarray(_rgb(_channels_last(frames, pixels)))


def _rgb(pixels: np.ndarray) -> np.ndarray:
    """Three channels: gray is repeated."""
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _channels_last(value: Any, pixels: np.ndarray) -> np.ndarray:
    """One or three channels, at the end. If both places are possible, torch has them first and others have them last. Alpha
    is dropped, as Pillow does."""
    first, last = pixels.shape[-3] in _CHANNELS, pixels.shape[-1] in _CHANNELS
    if not first and not last:
        raise ValueError(f"expected 1, 3 or 4 channels, first or last, found shape {list(pixels.shape)}")
    moved = np.moveaxis(pixels, -3, -1) if first and (_is_torch(value) or not last) else pixels
    return moved[..., :3]


def _pixels(value: Any) -> np.ndarray:
    if _is_torch(value):
        value = value.detach().cpu()
        if str(value.dtype) != "torch.uint8":
            raise _not_uint8(str(value.dtype))
        return value.numpy()
    pixels = value if isinstance(value, np.ndarray) else np.asarray(value)
    if pixels.dtype != np.uint8:
        raise _not_uint8(str(pixels.dtype))
    return pixels


def _not_uint8(found: str) -> ValueError:
    return ValueError(f"expected uint8 values from 0 to 255, found {found}: scale the values and convert them to uint8")


def _is_pil(value: Any) -> bool:
    image = sys.modules.get("PIL.Image")
    return image is not None and isinstance(value, image.Image)


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_torch(value) or (hasattr(value, "__array__") and not _is_pil(value))


def _reason(cause: Exception) -> str:
    return str(cause) or type(cause).__name__
