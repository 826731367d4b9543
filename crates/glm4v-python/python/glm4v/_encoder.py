from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from glm4v import _native, _options
from glm4v._errors import Error, InputError
from glm4v._inputs import is_single, sources
from glm4v._processor import Processor


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """The embeddings of one image or video.

    `torch.from_dlpack(item)` is a float32 tensor that shares the memory of `embeddings`. If the encoder computes in bf16, it is
    a new bfloat16 tensor.
    """

    index: int
    """The place of the input, counted from 0."""
    name: str
    """The path or name of the input."""
    kind: Literal["image", "video"]
    size: tuple[int, int]
    """(height, width) of the source in pixels."""
    grid_thw: tuple[int, int, int]
    """The number of patches: temporal, vertical, horizontal."""
    frames_indices: list[int] | None
    """The sampled frames of a video, counted from 0; None for an image."""
    timestamps: list[float] | None
    """For a video, the time of each temporal patch in seconds, as the prompt names it; None for an image."""
    warnings: list[str]
    """What makes the result doubtful, such as frames that cannot be decoded."""
    source_fps: float | None
    """Frames a second of the whole video, if it says so; None for an image."""
    source_seconds: float | None
    """The duration of the whole video, if it says so; None for an image."""
    source_frames: int | None
    """The number of frames of the whole video; None for an image."""
    embeddings: np.ndarray
    """float32 `[tokens, out_hidden_size]`, in the order of the placeholders in the prompt."""
    uuid: str | None = None
    """A name that depends on the pixels, the weights, the type and the kernels, for `write_vllm_cache` and `openai_part`; with
    `encode(…, uuid=True)` or a cache."""
    dtype: str = "f32"
    """The type of the computation."""

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.dtype != "bf16":
            return self.embeddings.__dlpack__(**kwargs)
        if kwargs.get("copy") is False:
            raise BufferError("the embeddings are float32, so bfloat16 needs a copy")
        if kwargs.get("dl_device") not in (None, self.__dlpack_device__()):
            raise BufferError(f"the embeddings are on the CPU, not on the device {kwargs['dl_device']}")
        return _native.bf16_capsule(np.ascontiguousarray(self.embeddings))

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.embeddings.__dlpack_device__()


@dataclass(frozen=True, slots=True)
class Plan:
    """The cost of encoding inputs. Sizes of memory are peaks in bytes, and are upper bounds."""

    inputs: int
    patches: int
    """Rows that the tower reads."""
    tokens: int
    """Rows that the tower makes: placeholders in the prompt."""
    operations: int
    """Floating-point operations."""
    weights: int
    patch_rows: int
    reading: int
    """Open files and decoding."""
    activations: int
    embeddings: int
    host: int
    """The whole process, without the Python interpreter."""
    device: int | None
    """Each device that has memory of its own."""


class VisionEncoder:
    """The vision encoder of a GLM-V model: a processor, and a tower on the CPU.

    Calls work without the GIL, and Ctrl-C interrupts them. Several threads can share an encoder. An encoder can be pickled:
    the other process loads it again, with the arguments of `from_pretrained`. It works in a forked process, too.
    """

    def __init__(
        self, native: _native.Encoder, recipe: dict[str, Any] | None = None, model: dict[str, Any] | None = None
    ) -> None:
        """For internal use: `VisionEncoder.from_pretrained` makes encoders."""
        self._native = native
        self._recipe = recipe
        self.config: dict[str, Any] = json.loads(native.config())
        """The vision configuration, by the names of `config.json`."""
        self.processor = Processor(native.processor(), model)
        """The processor: `encoder.processor(images=…, videos=…)`."""

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str] | None = None,
        *,
        preset: str | None = None,
        seed: int = 0,
        dtype: Any = "f32",
        device: str = "auto",
        max_memory: int | None = None,
        min_tokens: int | None = None,
        max_tokens: int | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        revision: str | None = None,
        offline: bool = False,
        processor: str | os.PathLike[str] | None = None,
        num_threads: int | None = None,
        packed_cache: bool | str | os.PathLike[str] = False,
        cache: str | os.PathLike[str] | None = None,
        cache_size: int = 10_000_000_000,
    ) -> VisionEncoder:
        """Loads the vision tower of a model.

        Args:
            model: A directory in the published layout, an mmproj file of llama.cpp (GGUF), or the name of a model on the
                Hugging Face hub, such as "zai-org/GLM-4.1V-9B-Thinking". Only the vision tower is downloaded, once.
            preset: A model size with random weights instead: "tiny", "small", "medium", "glm-4.1v-9b" and others.
            seed: The seed of the random weights.
            dtype: The type of the computation: "f32", "bf16", "f16" or "int8"; torch's types and their names work, too.
            device: "auto", or a backend that is built in, such as "flex" (CPU).
            max_memory: The memory limit in bytes. Batches shrink until they fit; what cannot fit is refused.
            min_tokens, max_tokens: Limits of the size of each image and of each video, in tokens.
            min_pixels, max_pixels: The same in pixels, as `size` of the checkpoint counts them.
            revision: A branch, tag or commit on the hub. The default is main. A warning says if the model is on this machine,
                where it has no effect.
            offline: Whether only the caches are used, never the network.
            processor: Where the settings of the processors come from: a preset or a directory. A GGUF file has none, and
                without this argument they are those of GLM-4.1V, GLM-OCR or GLM-5.3.
            num_threads: The number of threads, as `set_num_threads`.
            packed_cache: A directory where packed weights of the CPU are kept, or True for the user's cache directory. The
                next start is faster, and processes of one machine share the memory of the weights. The default keeps
                nothing.
            cache: A directory that keeps embeddings by the content of their input. `encode` takes those that are there from it,
                bit for bit. Several processes can share it, and the program's option `--cache`. The first `encode` reads
                all weights, to hash them.
            cache_size: The size of the cache in bytes. The least recently used embeddings are removed first.

        Raises:
            ModelError: for a checkpoint that is missing, damaged or not supported.
            HubError: for a model that cannot be fetched.
            DeviceError: for a device that cannot be used.
            MemoryLimitError: for weights that do not fit into `max_memory`.
            StoreError: for a cache that cannot be created.
        """
        chosen = _options.model(
            model,
            preset=preset,
            seed=seed,
            revision=revision,
            offline=offline,
            processor=processor,
            min_tokens=min_tokens,
            max_tokens=max_tokens,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
        )
        of_device = {
            "dtype": _options.dtype(dtype),
            "device": device,
            "max_memory": max_memory,
            "packed_cache": packed_cache if isinstance(packed_cache, bool) else os.path.abspath(os.fsdecode(packed_cache)),
        }
        keep = {
            "cache": cache if cache is None else os.path.abspath(os.fsdecode(cache)),
            "cache_size": cache_size,
        }
        if num_threads is not None:
            _native.set_num_threads(num_threads)
        recipe = {**chosen, **of_device, **keep, "num_threads": num_threads}
        return cls(_native.Encoder.load(chosen, of_device, keep), recipe, chosen)

    @property
    def out_hidden_size(self) -> int:
        """The width of the embeddings."""
        return self.config["out_hidden_size"]

    @property
    def packing(self) -> str | None:
        """Where the packed weights are; None without a `packed_cache`."""
        return self._native.packing()

    @property
    def devices(self) -> list[str]:
        """The devices that compute."""
        return self._native.devices()

    def encode(
        self,
        inputs: Iterable[Any],
        *,
        errors: Literal["raise", "return"] = "raise",
        uuid: bool = False,
        source_fps: float | None = None,
        first_frame_only: bool = False,
    ) -> list[Item]:
        """Encodes images and videos, in batches. The result has one item for each input, in order.

        Args:
            inputs: Any mix of

                - paths of image files, of video files (which need the program ffmpeg) and of folders of frames,
                - bytes of image files, and binary files with `read()`,
                - PIL images of any mode, whose EXIF orientation is applied,
                - uint8 arrays: `[h, w]`, `[h, w, channels]` or `[channels, h, w]` with 1, 3 or 4 channels,
                - uint8 torch tensors: `[channels, h, w]`,
                - `glm4v.Video`.
            errors: "raise" raises the error of the first input that fails. "return" puts an `Error` in its place in the
                result, with the attributes `index` and `name`.
            uuid: Whether each item gets a `uuid`. The first one reads all weights, to hash them.
            source_fps: The frame rate of folders of frames. For other videos it replaces the frame rate of the file.
            first_frame_only: Whether an animated image is read as an image: its first frame.

        Raises:
            InputError: for an input that cannot be read.
            MemoryLimitError: for an input that does not fit into the memory limit.
            ModelError: if the weights must be hashed, but a file changed after they were loaded. Load the model again.
        """
        return list(
            self.encode_iter(
                inputs, errors=errors, uuid=uuid, source_fps=source_fps, first_frame_only=first_frame_only
            )
        )

    def encode_iter(
        self,
        inputs: Iterable[Any],
        *,
        errors: Literal["raise", "return"] = "raise",
        uuid: bool = False,
        source_fps: float | None = None,
        first_frame_only: bool = False,
    ) -> Iterator[Item]:
        """`encode` as an iterator, for any number of inputs. Memory does not grow with their number.

        Inputs are taken from `inputs` some batches ahead, in the calling thread, and only while an item is awaited.
        """
        if is_single(inputs):
            raise TypeError("expected a list of inputs, found one input: write encode([input])")
        if errors not in ("raise", "return"):
            raise InputError(f'errors: expected "raise" or "return", found {errors!r}')
        reading = _options.reading(source_fps, first_frame_only)
        return self._items(inputs, errors, uuid, reading)

    def _items(self, inputs: Iterable[Any], errors: str, uuid: bool, reading: dict[str, Any]) -> Iterator[Item]:
        failed: dict[int, InputError] = {}
        for result in self._native.items(sources(inputs, failed), reading, uuid):
            if isinstance(result, Error):
                error = failed.pop(result.index, result)
                if errors == "raise":
                    raise error
                yield error
            else:
                described, embeddings, name = result
                yield Item(*described, embeddings, name, self._recipe["dtype"] if self._recipe else "f32")

    def plan(
        self, inputs: Iterable[Any], *, source_fps: float | None = None, first_frame_only: bool = False
    ) -> Plan:
        """The tokens, operations and memory that encoding `inputs` needs. No pixel is decoded.

        Inputs are those of `encode`, and also `(height, width)` in pixels for an image that does not exist yet.

        Raises:
            InputError: for an input that cannot be read.
            MemoryLimitError: if the work does not fit into the memory limit.
        """
        inputs = [inputs] if is_single(inputs) else list(inputs)
        sizes = {index: value for index, value in enumerate(inputs) if _is_size(value)}
        # An empty file stands in the place of each size, so that errors have the numbers of the inputs.
        files = (b"" if index in sizes else value for index, value in enumerate(inputs))
        failed: dict[int, InputError] = {}
        reading = _options.reading(source_fps, first_frame_only)
        try:
            plan = self._native.plan(sources(files, failed), sizes, reading)
        except InputError as error:
            raise failed.get(error.index, error) from None
        return Plan(**plan)

    def hidden_states(self, input: Any, blocks: Iterable[int], **reading: Any) -> list[np.ndarray]:
        """The outputs of blocks, counted from 0: for each a float32 array `[t, h, w, hidden_size]`, every patch at its place.

        Raises:
            InputError: for a block that does not exist, and for an input that cannot be read.
        """
        return self._inspect(input, list(blocks), [], reading)[1]

    def attention(
        self, input: Any, block: int, *, y: int, x: int, t: int = 0, **reading: Any
    ) -> np.ndarray:
        """How the patch at row `y` and column `x` of the temporal patch `t` attends to the patches of its frame, in a block.

        The result is float32 `[num_heads, h, w]`. Each head sums to 1.

        Raises:
            InputError: for a block or patch that does not exist, and for an input that cannot be read.
        """
        return self._inspect(input, [], [(block, t, y, x)], reading)[2][0]

    def viz(self, input: Any, *, block: int | None = None, opacity: float = 0.7, **reading: Any) -> Any:
        """Draws the similarity of tokens as colors over the input: a PIL image, or without PIL a uint8 array `[h, w, 3]`.

        The first three principal components of the embeddings become red, green and blue. With `block`, the output of that
        block is drawn instead. A video becomes a sheet with one frame for each temporal patch.

        Raises:
            InputError: for an input that cannot be read, or that has fewer than 3 tokens.
        """
        pixels = self._one(input, lambda tuples, options: self._native.viz(tuples, block, opacity, options), reading)
        try:
            from PIL import Image
        except ImportError:
            return pixels
        return Image.fromarray(pixels)

    def prompt(self, item: Item) -> str:
        """The string of an item in a prompt: one placeholder for each token, and for a video the time of each temporal patch.

        The chat template writes `<|image|>` or `<|video|>`; this string goes in its place, as in the processors of
        transformers.
        """
        if item.timestamps is None:
            return _native.image_prompt(item.grid_thw, self.config["spatial_merge_size"])
        return self.processor._native.video_prompt(item.grid_thw, item.timestamps)

    def _inspect(self, input: Any, hidden_states: list[int], attention: list[tuple], reading: dict[str, Any]) -> tuple:
        return self._one(
            input, lambda tuples, options: self._native.inspect(tuples, hidden_states, attention, options), reading
        )

    def _one(self, input: Any, call: Any, reading: dict[str, Any]) -> Any:
        """The result of `call` with one input."""
        failed: dict[int, InputError] = {}
        try:
            return call(sources([input], failed), _options.reading(**reading))
        except InputError as error:
            raise failed.get(error.index, error) from None

    def __reduce__(self):
        if self._recipe is None:
            raise TypeError("this encoder cannot be pickled: only one of VisionEncoder.from_pretrained can")
        return _restored, (self._recipe,)

    def __repr__(self) -> str:
        name = self._recipe and (self._recipe["model"] or self._recipe["preset"])
        return f"glm4v.VisionEncoder({name or '…'}, out_hidden_size={self.out_hidden_size})"


def _is_size(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(side, int) for side in value)


def _restored(recipe: dict[str, Any]) -> VisionEncoder:
    return VisionEncoder.from_pretrained(**recipe)
