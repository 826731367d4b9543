"""Encodes a folder of images into Parquet with one of four engines, and prints images per hour and core.

    python examples/python/throughput.py photos/ results/ --engine ray --workers 2 -m zai-org/GLM-4.1V-9B-Thinking --dtype bf16

The engines are `program` (a job of the program glm4v), `python` (this process), `ray` (Ray Data) and `daft`. The time includes
starting the engine and loading the weights, so it needs many images. docs/scale.md compares the engines.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import glm4v


def main():
    options = parse()
    photos = sorted(path for path in options.photos.iterdir() if path.is_file())
    model = {"model": options.model} if options.model else {"preset": options.preset}
    start = time.perf_counter()
    ENGINES[options.engine](photos, options, {**model, "dtype": options.dtype})
    seconds = time.perf_counter() - start
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rate = len(photos) / seconds * 3600 / cores
    print(f"{options.engine}: {len(photos)} images in {seconds:.1f} s on {cores} cores: {rate:.0f} images per hour and core")


def program(photos, options, encoder):
    model = ["-m", options.model] if options.model else ["--preset", options.preset]
    command = [sys.executable, "-m", "glm4v", "encode", options.photos, "--dtype", options.dtype, *model, "-o", f"{options.results}/"]
    subprocess.run(command, check=True)


def python(photos, options, encoder):
    options.results.mkdir(parents=True, exist_ok=True)
    items = glm4v.VisionEncoder.from_pretrained(**encoder).encode_iter(photos, errors="return")
    glm4v.write_parquet(options.results / "photos.parquet", items)


def ray(photos, options, encoder):
    import glm4v.ray
    import ray

    ray.init(include_dashboard=False, log_to_driver=False)
    cpus = ray.cluster_resources()["CPU"]
    rows = ray.data.from_items([{"path": str(path)} for path in photos]).map_batches(
        glm4v.ray.Encoder,
        fn_constructor_kwargs={**encoder, "column": "path", "errors": "return"},
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        # Something must be left for writing.
        num_cpus=(cpus - 0.5) / options.workers,
        batch_size=8,
    )
    rows.write_parquet(str(options.results.absolute()))
    ray.shutdown()


def daft(photos, options, encoder):
    import daft
    import glm4v.daft

    column = glm4v.daft.Encoder(**encoder, errors="return").encode
    rows = daft.from_pydict({"path": [str(path) for path in photos]})
    rows.with_column("item", column(rows["path"])).write_parquet(str(options.results))


ENGINES = {"program": program, "python": python, "ray": ray, "daft": daft}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--engine", choices=ENGINES, default="python")
    parser.add_argument("--workers", type=int, default=1, help="actors of Ray")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("-m", "--model")
    model.add_argument("--preset", default="tiny", help="random weights")
    parser.add_argument("--dtype", default="f32")
    return parser.parse_args()


if __name__ == "__main__":
    main()
