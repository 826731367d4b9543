"""Writing the golden files. Called by `reference.py make`."""

import hashlib
import json

from budget_cases import budget_goldens
from clip_cases import CLIP_CASES
from codec_files import CODECS, decoded_goldens, make_codec_files
from detail_cases import QUERIES, make_details
from differential import make_differential
from file_cases import file_goldens
from pictures import IMAGES, make_pictures
from preprocess_cases import preprocess_goldens, smart_resize_rows
from processor_cases import processor_goldens
from reference import versions
from tower_cases import CASES, VIDEOS, make_case
from video_cases import clip_goldens, sample_goldens

# Random cases that ordinary tests run: the seed, and the numbers of the cases. Each member of the family has a small one.
SAMPLE = (1, [3, 61, 78, 82, 95, 98, 100])


def make(folder):
    make_pictures(IMAGES)
    make_codec_files(CODECS)
    for name, case in (CASES | CLIP_CASES).items():
        make_case(folder / name, case)
        if name in QUERIES:
            make_details(folder / name, case)
    make_differential(differential(folder), *SAMPLE)
    write_lines(folder / "preprocess.json", preprocess_goldens())
    write_lines(folder / "processors.json", processor_goldens())
    write_lines(folder / "budgets.json", budget_goldens())
    write_lines(folder / "decoded.json", decoded_goldens(CODECS))
    write_lines(folder / "smart_resize.json", {"rows": smart_resize_rows()})
    write_lines(folder / "sample_frames.json", sample_goldens())
    write_lines(folder / "clips.json", clip_goldens())
    write_lines(folder / "videos.json", file_goldens())
    write_lines(folder / "manifest.json", manifest(folder))


def manifest(folder):
    sample = digests_below(differential(folder), {".json", ".safetensors", ".png"})
    inputs = {folder.name: digests_of(folder) for folder in (IMAGES, CODECS, VIDEOS)}
    goldens = digests_below(folder, {".json", ".safetensors"})
    return {"versions": versions(), "goldens": goldens, "differential": sample, **inputs}


def differential(folder):
    """The folder of the random cases, beside that of the goldens."""
    return folder.resolve().parent / "differential"


def digests_below(folder, suffixes):
    paths = [path for path in folder.rglob("*") if path.suffix in suffixes and path.name != "manifest.json"]
    return {path.relative_to(folder).as_posix(): digest(path) for path in sorted(paths)}


def digests_of(folder):
    return {path.name: digest(path) for path in sorted(folder.iterdir()) if path.suffix != ".md"}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_lines(path, sections):
    """An object of lists and objects, one element a line."""
    written = ",\n".join(f"{json.dumps(name)}: {lines(value)}" for name, value in sections.items())
    path.write_text("{\n" + written + "\n}\n")


def lines(value):
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)}: {compact(element)}" for key, element in value.items()]
        return "{\n" + ",\n".join(entries) + "\n}"
    return "[\n" + ",\n".join(compact(element) for element in value) + "\n]"


def compact(value):
    return json.dumps(value, separators=(",", ":"))
