"""Writes docs/dependencies.md: python docs/data/dependencies.py, after a `cargo fetch`. Needs Python 3.11."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REGISTRY = next((Path.home() / ".cargo/registry/src").iterdir())
# What it is for, and who keeps it.
WHY = {
    "anyhow": ("errors of the program", "dtolnay"),
    "arrow-array": ("reads shards again in tests", "Apache Arrow"),
    "arrow-schema": ("the schema of Parquet shards", "Apache Arrow"),
    "arrow-select": ("reads shards again in tests", "Apache Arrow"),
    "base64": ("data URIs, embeddings in JSON", "marshallpierce"),
    "burn": ("tensors, and backends for GPUs", "Tracel"),
    "bytemuck": ("views of numbers as bytes", "Lokathor"),
    "bytes": ("buffers that parquet takes", "tokio"),
    "clap": ("the command line", "clap-rs"),
    "clap_complete": ("completions of shells", "clap-rs"),
    "console_error_panic_hook": ("panics in the browser's console", "rustwasm; finished"),
    "crc32fast": ("checksums of PNG", "srijs"),
    "criterion": ("benchmarks", "criterion-rs"),
    "csv": ("CSV manifests", "BurntSushi"),
    "cubecl-cuda": ("CUDA kernels through NVRTC", "Tracel"),
    "cudarc": ("finds the CUDA driver", "chelsea0x3b"),
    "fast_image_resize": ("resizes as Pillow and torchvision do", "Cykooz"),
    "fax": ("fax compression of TIFF", "pdf-rs"),
    "flate2": ("Deflate of PNG and TIFF", "rust-lang"),
    "gemm": ("compares our kernels in a benchmark", "sarah-ek"),
    "gif": ("animated GIF", "image-rs"),
    "glob": ("patterns of files", "rust-lang"),
    "half": ("f16 and bf16", "VoidStarKat"),
    "image": ("decoders of BMP, GIF, PNG and WebP", "image-rs"),
    "indicatif": ("progress bars", "console-rs"),
    "js-sys": ("objects of JavaScript", "wasm-bindgen"),
    "log": ("messages of libraries", "rust-lang"),
    "mozjpeg": ("JPEG with Pillow's pixels; wraps libjpeg in C", "ImageOptim"),
    "ndarray": ("patch rows and results as arrays", "rust-ndarray"),
    "ndarray-npy": ("writes .npy", "jturner314"),
    "numpy": ("arrays of Python", "PyO3"),
    "parquet": ("Parquet shards and manifests", "Apache Arrow"),
    "png": ("animated PNG, damaged PNG", "image-rs"),
    "pollster": ("waits for a device without threads", "zesterer"),
    "pyo3": ("the Python package", "PyO3"),
    "rand": ("random weights", "rust-random"),
    "rand_chacha": ("random weights, the same on every system", "rust-random"),
    "rand_distr": ("normal random weights", "rust-random"),
    "rayon": ("work on all cores", "rayon-rs"),
    "re_rav1d": ("AV1 frames of AVIF", "rerun, from the authors of rav1d"),
    "rustix": ("limits of ffmpeg; only its safe functions", "Bytecode Alliance"),
    "ruzstd": ("Zstandard of TIFF", "KillingSpark"),
    "safetensors": ("weights and results", "Hugging Face"),
    "serde": ("JSON", "serde-rs"),
    "serde_json": ("JSON", "serde-rs"),
    "serde_path_to_error": ("errors that name the field of a configuration", "dtolnay"),
    "sha2": ("fingerprints and keys", "RustCrypto"),
    "signal-hook": ("Ctrl-C", "vorner"),
    "siphasher": ("hashes of ids that stay the same", "jedisct1"),
    "sysinfo": ("the memory of the machine", "GuillaumeGomez"),
    "tar": ("tar archives of inputs", "composefs"),
    "tempfile": ("temporary files", "Stebalien"),
    "thiserror": ("errors of the libraries", "dtolnay"),
    "ureq": ("HTTP", "algesten"),
    "wasm-bindgen": ("the browser package", "wasm-bindgen"),
    "wasm-bindgen-futures": ("the browser package", "wasm-bindgen"),
    "weezl": ("LZW of TIFF", "image-rs"),
}
HEAD = """# Direct dependencies

`cargo deny check` accepts only the licenses and sources in `deny.toml`, and the workflow checks advisories. This table has the
crates that our manifests name. `python docs/data/dependencies.py` writes it.

"Unsafe" counts the `unsafe` blocks, functions and implementations in the sources of a crate, without those of its own
dependencies. "Versions" is the number of major versions in `Cargo.lock`: a second one is there for another dependency.

| Crate | Version | For | Kept by | License | Unsafe | Versions |
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
        license = re.search(r'^license = "(.*)"', (folder / "Cargo.toml").read_text(), re.M).group(1)
        sources = "".join(path.read_text(errors="replace") for path in sorted((folder / "src").rglob("*.rs")))
        unsafe = len(re.findall(r"\bunsafe\s*(?:\{|fn|impl)", sources))
        rows.append(f"| {name} | {version} | {' | '.join(WHY[name])} | {license} | {unsafe} | {len(found)} |\n")
    (ROOT / "docs/dependencies.md").write_text(HEAD + "".join(rows))


main()
