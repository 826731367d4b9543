"""Writes docs/dependencies.md: python docs/data/dependencies.py, after a `cargo fetch`. Needs Python 3.11."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REGISTRY = next((Path.home() / ".cargo/registry/src").iterdir())
# What it is for.
WHY = {
    "anyhow": "errors of the program",
    "arrow-array": "reads shards again in tests",
    "arrow-schema": "the schema of Parquet shards",
    "arrow-select": "reads shards again in tests",
    "base64": "data URIs, embeddings in JSON",
    "burn": "tensors, and backends for GPUs",
    "burn-cubecl": "our kernels on burn's GPU backends",
    "bytemuck": "views of numbers as bytes",
    "bytes": "buffers that parquet takes",
    "clap": "the command line",
    "clap_complete": "completions of shells",
    "console_error_panic_hook": "panics in the browser's console",
    "crc32fast": "checksums of PNG",
    "criterion": "benchmarks",
    "csv": "CSV manifests",
    "cubecl-cuda": "CUDA kernels through NVRTC",
    "cubecl-runtime": "addresses of burn's tensors on CUDA",
    "cubek": "exact f32 products on CUDA without cuBLAS",
    "cudarc": "finds the CUDA driver, calls cuBLAS",
    "fast_image_resize": "resizes as Pillow and torchvision do",
    "fax": "fax compression of TIFF",
    "flate2": "Deflate of PNG and TIFF",
    "gemm": "compares our kernels in a benchmark",
    "getrandom": "random numbers of burn in browsers",
    "gif": "animated GIF",
    "glob": "patterns of files",
    "half": "f16 and bf16",
    "image": "decoders of GIF, PNG and WebP",
    "indicatif": "progress bars",
    "js-sys": "objects of JavaScript",
    "libc": "makes the allocator give freed memory back to the system",
    "log": "messages of libraries",
    "memmap2": "packed weights from files",
    "mozjpeg": "JPEG with Pillow's pixels; wraps libjpeg in C",
    "mozjpeg-sys": "the part of libjpeg for arithmetic coding",
    "ndarray": "patch rows and results as arrays",
    "ndarray-npy": "writes .npy",
    "numpy": "arrays of Python",
    "parquet": "Parquet shards and manifests",
    "png": "animated PNG, damaged PNG",
    "pollster": "waits for a device without threads",
    "proc-macro2": "places in our sources, for the checks",
    "pyo3": "the Python package",
    "rand": "random weights",
    "rand_chacha": "random weights, the same on every system",
    "rand_distr": "normal random weights",
    "rayon": "work on all cores",
    "re_rav1d": "AV1 frames of AVIF",
    "rustix": "limits of ffmpeg; only its safe functions",
    "ruzstd": "Zstandard of TIFF",
    "safetensors": "weights and results",
    "serde": "JSON",
    "serde_json": "JSON",
    "serde_path_to_error": "errors that name the field of a configuration",
    "sha2": "fingerprints and keys",
    "signal-hook": "Ctrl-C",
    "siphasher": "hashes of ids that stay the same",
    "sysinfo": "the memory of the machine",
    "tar": "tar archives of inputs",
    "tempfile": "temporary files",
    "thiserror": "errors of the libraries",
    "ureq": "HTTP",
    "wasm-bindgen": "the browser package",
    "wasm-bindgen-cli-support": "builds the browser package",
    "wasm-bindgen-futures": "the browser package",
    "weezl": "LZW of TIFF",
}
HEAD = """# Direct dependencies

`cargo deny check` accepts only the licenses and sources in `deny.toml`, and the workflow checks advisories. This table has the
crates that our manifests name. `python docs/data/dependencies.py` writes it.

"Unsafe" counts the `unsafe` blocks, functions and implementations in the sources of a crate, without those of its own
dependencies. "Versions" is the number of major versions in `Cargo.lock`: a second one is there for another dependency.

| Crate | Version | For | Repository | License | Unsafe | Versions |
|---|---|---|---|---|---:|---:|
"""


def main():
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    rows = []
    for name, wanted in manifest.items():
        if name.startswith("glm4v"):
            continue
        wanted = (wanted if isinstance(wanted, str) else wanted["version"]).lstrip("~").split(".")
        # Before 1.0, the second number is the major one.
        digits = 2 if wanted[0] == "0" else 1
        found = [package["version"] for package in packages if package["name"] == name]
        version = next(version for version in found if version.split(".")[:digits] == wanted[:digits])
        folder = REGISTRY / f"{name}-{version}"
        described = (folder / "Cargo.toml").read_text()
        license = re.search(r'^license = "(.*)"', described, re.M).group(1)
        repository = re.search(r'^repository = "https?://(?:github.com/)?(.*?)(?:/tree/.*|\.git)?/?"', described, re.M).group(1)
        sources = "".join(path.read_text(errors="replace") for path in sorted((folder / "src").rglob("*.rs")))
        unsafe = len(re.findall(r"\bunsafe\s*(?:\{|fn|impl)", sources))
        rows.append(f"| {name} | {version} | {WHY[name]} | {repository} | {license} | {unsafe} | {len(found)} |\n")
    (ROOT / "docs/dependencies.md").write_text(HEAD + "".join(rows))


main()
