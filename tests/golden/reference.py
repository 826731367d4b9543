"""The reference: transformers' own GLM-V processors and vision tower, and the goldens made with them.

    reference.py make DIR
        Write every golden into DIR (tests/golden) and the synthetic images into tests/images. Needs no network;
        the same versions (manifest.json) on the same kind of CPU give the same bytes.
    reference.py run CHECKPOINT_DIR INPUT... -o OUT.safetensors
            [--dtype f32|bf16|f16] [--attn sdpa|eager] [--threads N] [--repeat N] [--no-stages] [--device cpu|cuda]
        Encode pictures and video files (those named *.mp4 and the like) as one batch with a checkpoint in the
        published layout. OUT gets every stage (`stages` below names them), and of the clip at place N
        `frames_indices.N` and `timestamps.N`; stdout gets one line of JSON with timings in seconds.
    reference.py serve CHECKPOINT_DIR [--dtype f32|bf16|f16] [--threads N] [--device cpu|cuda] [--compile]
        The reference's side of `cargo xtask bench`: serving.py.

Python with transformers, torch, torchvision, Pillow, PyAV, safetensors and numpy; the committed files say in
manifest.json which versions made them.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import resource
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.dont_write_bytecode = True

import PIL
import torch
import torchvision
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel
from transformers.image_utils import load_image

from batch import preprocess
from clips import read_video

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
PREFIX = re.compile(r"^(model\.)?visual\.")
VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"}


def main():
    arguments = parse()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if arguments.command == "make":
        from goldens import make

        torch.set_num_threads(1)
        make(arguments.dir)
    elif arguments.command == "serve":
        from serving import serve

        serve(arguments)
    else:
        print(json.dumps(run(arguments)))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make")
    make.add_argument("dir", type=Path)
    run = commands.add_parser("run")
    run.add_argument("checkpoint", type=Path)
    run.add_argument("inputs", nargs="+", type=Path)
    run.add_argument("-o", "--out", type=Path, required=True)
    run.add_argument("--dtype", choices=list(DTYPES), default="f32")
    run.add_argument("--attn", choices=["sdpa", "eager"], default="sdpa")
    run.add_argument("--threads", type=int, default=0, help="0: torch's default")
    run.add_argument("--repeat", type=int, default=1, help="timed passes after the warm-up")
    run.add_argument("--device", default="cpu")
    run.add_argument("--no-stages", action="store_true", help="write pixel_values, grid_thw and merger only")
    serve = commands.add_parser("serve")
    serve.add_argument("checkpoint", type=Path)
    serve.add_argument("--dtype", choices=list(DTYPES), default="f32")
    serve.add_argument("--threads", type=int, default=0, help="0: torch's default")
    serve.add_argument("--device", default="cpu")
    serve.add_argument("--compile", action="store_true", help="through torch.compile")
    return parser.parse_args()


def run(arguments):
    """Encode, write the stages, return the report."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    tower, load = timed(lambda: load_tower(arguments.checkpoint, arguments.dtype, arguments.attn).to(device))
    loaded, decode = timed(lambda: [load_input(path) for path in arguments.inputs])
    inputs, rows = timed(lambda: preprocess(arguments.checkpoint, loaded))
    inputs = to_device(inputs, device)
    found, warm_up = timed(lambda: stages(tower, inputs, every=not arguments.no_stages))
    save(found, arguments.out)
    passes = [timed(lambda: embeddings(tower, inputs))[1] for _ in range(arguments.repeat)]
    return {
        "checkpoint": str(arguments.checkpoint),
        "dtype": arguments.dtype,
        "attn": arguments.attn,
        "threads": torch.get_num_threads(),
        "grid_thw": inputs["grid_thw"].tolist(),
        "seconds": {
            "load": load,
            "decode": decode,
            "preprocess": rows,
            "warm_up": warm_up,
            "tower": spread(passes),
        },
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "versions": versions(),
    }


def timed(work):
    start = time.perf_counter()
    result = work()
    return result, round(time.perf_counter() - start, 6)


def spread(passes):
    if not passes:
        return None
    return {
        "min": min(passes),
        "median": round(statistics.median(passes), 6),
        "max": max(passes),
        "repeat": len(passes),
    }


def versions():
    return {
        "python": platform.python_version(),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "pillow": PIL.__version__,
        "av": version_if_installed("av"),
    }


def version_if_installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def load_input(path):
    return read_video(path) if path.suffix.lower() in VIDEO_SUFFIXES else load_image(str(path))


def load_tower(checkpoint, dtype="f32", attn="sdpa"):
    """The vision tower through from_pretrained; anything missing, left over or of another shape is an error."""
    config = AutoConfig.from_pretrained(checkpoint)
    config = getattr(config, "vision_config", config)
    tower, info = AutoModel.from_pretrained(
        checkpoint,
        config=config,
        dtype=DTYPES[dtype],
        attn_implementation=attn,
        key_mapping={PREFIX.pattern: ""},
        output_loading_info=True,
    )
    stored = {PREFIX.sub("", key) for key in tower_keys(checkpoint)}
    faults = {
        "missing": sorted(set(info["missing_keys"]) | set(tower.state_dict()) - stored),
        "unexpected": sorted(stored - set(tower.state_dict())),
        "mismatched": sorted(map(str, info["mismatched_keys"])),
        "errors": [str(error) for error in info["error_msgs"]],
    }
    if any(faults.values()):
        raise SystemExit(f"{checkpoint} does not fit {type(tower).__name__}: {faults}")
    return tower.eval()


def tower_keys(checkpoint):
    """The keys with a prefix. A tower alone may have keys without one."""
    keys = stored_keys(checkpoint)
    return [key for key in keys if PREFIX.match(key)] or keys


def stored_keys(checkpoint):
    index = checkpoint / "model.safetensors.index.json"
    if index.exists():
        return list(json.loads(index.read_text())["weight_map"])
    with safe_open(checkpoint / "model.safetensors", "pt") as file:
        return list(file.keys())


@torch.no_grad()
def encode(tower, inputs):
    return tower(inputs["pixel_values"], grid_thw=flattened(inputs["grid_thw"]))


def embeddings(tower, inputs):
    """The embeddings on the host: only then is a GPU done."""
    return encode(tower, inputs).pooler_output.float().cpu()


def to_device(inputs, device):
    return {name: value.to(device) for name, value in inputs.items()}


def flattened(grids):
    """Each video [t, h, w] as t grids [1, h, w]. transformers' get_video_features calls the tower in the same way."""
    frames = torch.repeat_interleave(grids[:, 1:], grids[:, 0], dim=0)
    return torch.cat([frames.new_ones(len(frames), 1), frames], dim=1)


def stages(tower, inputs, every=True):
    """What each stage of the tower gives, in execution order, as f32 [rows, width]."""
    found = dict(inputs)
    hooks = [watch(module, name, found) for name, module in watched(tower)] if every else []
    output = encode(tower, inputs)
    for hook in hooks:
        hook.remove()
    if every:
        found["downsample"] = output.last_hidden_state
    found["merger"] = output.pooler_output
    return found


def watched(tower):
    names = ["patch_embed", "post_conv_layernorm", "embeddings", "post_layernorm"]
    names += [f"blocks.{index}" for index in range(len(tower.blocks))]
    modules = dict(tower.named_modules())
    return [(name, modules[name]) for name in names if name in modules]


def watch(module, name, found):
    return module.register_forward_hook(lambda _module, _inputs, output: found.update({name: output.clone()}))


def save(tensors, path):
    """safetensors, what is computed in 16 bits widened to f32."""
    narrow = (torch.bfloat16, torch.float16)
    stored = {key: value.float() if value.dtype in narrow else value for key, value in tensors.items()}
    save_file({key: value.cpu().contiguous() for key, value in stored.items()}, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
