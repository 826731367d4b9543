from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__version__: str

_Source = tuple[Any, ...]
_Grid = tuple[int, int, int]
_Described = tuple[
    int, str, str, tuple[int, int], _Grid, list[int] | None, list[float] | None, list[str]
]

@final
class Encoder:
    @staticmethod
    def load(model: dict[str, Any], device: dict[str, Any]) -> Encoder: ...
    def config(self) -> str: ...
    def devices(self) -> list[str]: ...
    def packing(self) -> str | None: ...
    def processor(self) -> Processor: ...
    def items(self, sources: Iterator[_Source], reading: dict[str, Any]) -> Items: ...
    def plan(
        self, sources: Iterator[_Source], sizes: list[tuple[int, int]], reading: dict[str, Any]
    ) -> dict[str, int | None]: ...
    def inspect(
        self,
        sources: Iterator[_Source],
        hidden_states: list[int],
        attention: list[tuple[int, int, int, int]],
        reading: dict[str, Any],
    ) -> tuple[_Described, list[NDArray[np.float32]], list[NDArray[np.float32]]]: ...
    def viz(
        self, sources: Iterator[_Source], block: int | None, opacity: float, reading: dict[str, Any]
    ) -> NDArray[np.uint8]: ...
    def encode_pixel_values(
        self, pixel_values: NDArray[np.float32], grids: Sequence[_Grid], last_hidden_state: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]: ...

@final
class Items:
    def __iter__(self) -> Items: ...
    def __next__(self) -> tuple[_Described, NDArray[np.float32]] | Exception: ...

@final
class Loader:
    def __init__(self, config: str, compute_dtype: str) -> None: ...
    def write(self, key: str, encoding: str, bytes: NDArray[np.uint8]) -> None: ...
    def finish(self) -> Encoder: ...

@final
class Processor:
    @staticmethod
    def load(model: dict[str, Any]) -> Processor: ...
    def merge_size(self) -> int: ...
    def read(
        self, sources: Iterator[_Source], reading: dict[str, Any]
    ) -> tuple[NDArray[np.float32], list[_Described]]: ...
    def video_prompt(self, grid: _Grid, timestamps: list[float]) -> str: ...

def main(args: list[str]) -> int: ...
def image_prompt(grid: _Grid, merge_size: int) -> str: ...
def scatter(
    inputs_embeds: NDArray[np.float32],
    input_ids: NDArray[np.int64],
    placeholder: int,
    embeddings: NDArray[np.float32],
) -> NDArray[np.float32]: ...
def num_threads() -> int:
    """The number of threads that work: at most the processor quota of the container, or `RAYON_NUM_THREADS`."""

def set_num_threads(threads: int) -> None:
    """Sets the number of threads that work. It can be set once, before the first call."""
