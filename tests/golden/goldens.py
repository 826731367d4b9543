"""Writing the golden files. Called by `reference.py make`."""

import hashlib
import json

from clip_cases import CLIP_CASES
from codec_files import CODECS, decoded_goldens, make_codec_files
from detail_cases import QUERIES, make_details
from file_cases import file_goldens
from pictures import IMAGES, make_pictures
from preprocess_cases import preprocess_goldens, smart_resize_rows
from reference import versions
from tower_cases import CASES, VIDEOS, make_case
from video_cases import clip_goldens, sample_goldens


def make(folder):
    make_pictures(IMAGES)
    make_codec_files(CODECS)
    for name, case in (CASES | CLIP_CASES).items():
        make_case(folder / name, case)
        if name in QUERIES:
            make_details(folder / name, case)
    write_lines(folder / "preprocess.json", preprocess_goldens())
    write_lines(folder / "decoded.json", decoded_goldens(CODECS))
    write_lines(folder / "smart_resize.json", {"rows": smart_resize_rows()})
    write_lines(folder / "sample_frames.json", sample_goldens())
    write_lines(folder / "clips.json", clip_goldens())
    write_lines(folder / "videos.json", file_goldens())
    write_lines(folder / "manifest.json", manifest(folder))


def manifest(folder):
    goldens = [path for path in folder.rglob("*") if path.suffix in {".json", ".safetensors"}]
    goldens = [path for path in goldens if path.name != "manifest.json"]
    digests = {path.relative_to(folder).as_posix(): digest(path) for path in sorted(goldens)}
    inputs = {folder.name: digests_of(folder) for folder in (IMAGES, CODECS, VIDEOS)}
    return {"versions": versions(), "goldens": digests, **inputs}


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
