"""Times glm4v and transformers on the CPU, in one process, with the same weights and the same pixels.

    python -m glm4v.bench --dtype bf16                       # the tower of GLM-4.1V-9B, with random weights
    python -m glm4v.bench --preset small --size 336x336
    python -m glm4v.bench -m DIR                             # a checkpoint

Both sides take turns. A time is the one from patch rows to embeddings. It needs torch and transformers.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glm4v import _native, _options
from glm4v._native import __version__, num_threads, set_num_threads
from glm4v._processor import Processor

_DTYPES = ("f32", "bf16")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        import torch
        import transformers

        import glm4v.transformers
    except ImportError as error:
        print(f"glm4v.bench: {error}: install torch and transformers", file=sys.stderr)
        return 1
    if options.threads:
        set_num_threads(options.threads)
    torch.set_num_threads(num_threads())
    processor = Processor.from_pretrained(options.model, preset=None if options.model else options.preset)
    theirs = _tower(options, torch, transformers)
    ours = glm4v.transformers.wrap(theirs)
    print(_heading(options, torch, transformers), flush=True)
    print("| photos | patches | glm4v | transformers | ratio | difference |\n|---|---|---|---|---|---|", flush=True)
    for height, width in options.size:
        rows = processor(images=[_noise(height, width, seed) for seed in range(options.batch)])
        pixels = torch.from_numpy(rows["pixel_values"]).to(theirs.dtype)
        grid = torch.from_numpy(rows["image_grid_thw"])
        with torch.inference_mode():
            calls = [lambda tower=tower: tower(pixels, grid_thw=grid).pooler_output for tower in (ours, theirs)]
            seconds, (found, expected) = _in_turns(calls, options.repeat)
        size = f"{options.batch} of {width}x{height}" if options.batch > 1 else f"{width}x{height}"
        ratio = statistics.median(seconds[0]) / statistics.median(seconds[1])
        difference = (found.double() - expected.double()).norm() / expected.double().norm()
        times = " | ".join(_summary(times) for times in seconds)
        print(f"| {size} | {len(pixels)} | {times} | {ratio:.2f} | {float(difference):.1e} |", flush=True)
    return 0


def _tower(options: argparse.Namespace, torch: Any, transformers: Any) -> Any:
    """The tower of transformers: that of a checkpoint, or a random one."""
    transformers.utils.logging.set_verbosity_error()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    if options.model is None:
        config = transformers.AutoConfig.for_model(**json.loads(_native.preset_config(options.preset)))
        torch.manual_seed(0)
        return transformers.AutoModel.from_config(config, dtype=dtype).eval()
    config = transformers.AutoConfig.from_pretrained(options.model)
    return transformers.AutoModel.from_pretrained(
        options.model,
        config=getattr(config, "vision_config", config),
        dtype=dtype,
        key_mapping={r"^(model\.)?visual\.": ""},
    ).eval()


def _in_turns(calls: list[Callable[[], Any]], repeat: int) -> tuple[list[list[float]], list[Any]]:
    """The seconds of each call, and its result. The first round is not counted."""
    seconds: list[list[float]] = [[] for _ in calls]
    results = [call() for call in calls]
    for _ in range(repeat):
        for call, times in zip(calls, seconds):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return seconds, results


def _summary(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f}–{max(seconds):.3f})"


def _noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _heading(options: argparse.Namespace, torch: Any, transformers: Any) -> str:
    model = options.model or f"{options.preset} with random weights"
    return (
        f"{_processor_name()}, {num_threads()} threads; glm4v {__version__}; transformers {transformers.__version__}, "
        f"torch {torch.__version__}; {model}, {options.dtype}. Seconds: median (minimum–maximum) of {options.repeat} runs.\n"
    )


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            name = re.search("^model name\\s*: (.*)$", file.read(), re.MULTILINE)
    except OSError:
        name = None
    return name[1] if name else platform.processor() or platform.machine()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m glm4v.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    model = parser.add_mutually_exclusive_group()
    model.add_argument("-m", "--model", help="a checkpoint directory")
    model.add_argument("--preset", default="glm-4.1v-9b", help="a size with random weights [default: glm-4.1v-9b]")
    parser.add_argument("--dtype", type=_options.dtype, choices=_DTYPES, default="f32")
    parser.add_argument("--size", type=_sizes, default=[(336, 336)], help="sizes of the photos, as in 336x336,1008x1008")
    parser.add_argument("--batch", type=int, default=1, help="photos in a call")
    parser.add_argument("--repeat", type=int, default=3, help="measured runs")
    parser.add_argument("--threads", type=int, help="threads of each side")
    return parser.parse_args(arguments)


def _sizes(text: str) -> list[tuple[int, int]]:
    """(height, width) of each size."""
    found = [re.fullmatch(r"(\d+)x(\d+)", size) for size in text.split(",")]
    if None in found:
        raise argparse.ArgumentTypeError(f"expected sizes such as 336x336, found {text!r}")
    return [(int(size[2]), int(size[1])) for size in found]


if __name__ == "__main__":
    sys.exit(main())
