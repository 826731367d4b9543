from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from glm4v import _native, _options
from glm4v._errors import InputError
from glm4v._inputs import is_single, sources


class Processor:
    """Turns images and videos into the inputs of the vision tower, as the processors of transformers do.

    `VisionEncoder.processor` is one. `from_pretrained` makes one without weights, for example for the workers of a data
    loader.
    """

    def __init__(self, native: _native.Processor, recipe: dict[str, Any] | None = None) -> None:
        self._native = native
        self._recipe = recipe

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] | None = None,
        *,
        preset: str | None = None,
        revision: str | None = None,
        offline: bool = False,
        processor: str | os.PathLike[str] | None = None,
        min_tokens: int | None = None,
        max_tokens: int | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> Processor:
        """The processor of a checkpoint directory, of a model on the Hugging Face hub, or of a preset.

        The limits of the size replace those of the checkpoint. The arguments are those of `VisionEncoder.from_pretrained`.
        """
        chosen = _options.model(
            model,
            preset=preset,
            revision=revision,
            offline=offline,
            processor=processor,
            min_tokens=min_tokens,
            max_tokens=max_tokens,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
        )
        return cls(_native.Processor.load(chosen), chosen)

    def __call__(
        self,
        images: Iterable[Any] | None = None,
        videos: Iterable[Any] | None = None,
        *,
        source_fps: float | None = None,
        first_frame_only: bool = False,
    ) -> dict[str, np.ndarray]:
        """The arrays that the models of transformers take, by their names there.

        For `images`: `pixel_values`, float32 `[patches, channels * temporal_patch_size * patch_size**2]`, and
        `image_grid_thw`, int64 `[images, 3]`. For `videos`: `pixel_values_videos` and `video_grid_thw`, likewise.

        Inputs are those of `VisionEncoder.encode`. The first input that fails raises its error.

        Raises:
            InputError: for an input that cannot be read, and for a video among the images or an image among the videos.
        """
        reading = _options.reading(source_fps, first_frame_only)
        result = {}
        for inputs, kind, values, grids in (
            (images, "image", "pixel_values", "image_grid_thw"),
            (videos, "video", "pixel_values_videos", "video_grid_thw"),
        ):
            if inputs is not None:
                result[values], result[grids] = self._read(inputs, kind, reading)
        return result

    def _read(self, inputs: Iterable[Any], kind: str, reading: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        inputs = [inputs] if is_single(inputs) else inputs
        failed: dict[int, InputError] = {}
        try:
            rows, infos = self._native.read(sources(inputs, failed), reading)
        except InputError as error:
            raise failed.get(error.index, error) from None
        for index, name, found, *_ in infos:
            if found != kind:
                raise InputError(f"{name}: expected {kind}s only, found the {found} at index {index}")
        grids = np.array([info[4] for info in infos], np.int64).reshape(-1, 3)
        return rows, grids

    def __reduce__(self):
        if self._recipe is None:
            raise TypeError("this processor cannot be pickled: only one of Processor.from_pretrained can")
        return _restored, (self._recipe,)

    def __repr__(self) -> str:
        name = self._recipe and (self._recipe["model"] or self._recipe["preset"])
        return f"glm4v.Processor({name or '…'})"


def _restored(recipe: dict[str, Any]) -> Processor:
    return Processor(_native.Processor.load(recipe), recipe)
