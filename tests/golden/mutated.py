"""Mutated images, generated videos and files of a user: our pixels beside those of `load_image` (Pillow) and torchcodec.

    python tests/golden/mutated.py PIXELS WORK --images 20000 --videos 200 --seed 1
    python tests/golden/mutated.py PIXELS WORK --files photos/ scans/

PIXELS is the program `crates/glm4v-preprocess/examples/pixels.rs`. `cargo xtask differential-media` builds it and runs this.
An image counts if Pillow reads it. The same seed gives the same files. Files that differ stay in WORK.
"""

import argparse
import collections
import hashlib
import json
import random
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.image_utils import load_image

from codec_files import DIFFERS, REFUSED, SAME_AS, over_white
from pictures import png_chunk

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ["tests/images", "tests/codecs"]
VIDEO_SUFFIXES = {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ogv", ".ts", ".webm", ".wmv"}
# Read otherwise, on purpose: docs/parity.md. An animation is read as its first frame by both.
SKIPPED = {*DIFFERS, *REFUSED, *SAME_AS, "README.md", "chelsea.png", "gray16.png"}
Image.MAX_IMAGE_PIXELS = 1 << 22
BITS, PLANAR = 258, 284


class Pixels:
    """Our program, started again if it ends."""

    def __init__(self, program):
        self.program, self.process, self.crashes = program, None, 0

    def ask(self, line):
        if self.process is None:
            self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if answer:
            return json.loads(answer)
        self.process.wait()
        self.process, self.crashes = None, self.crashes + 1
        return {"crash": True}


def mutate(data, rng):
    """The file with a few changed, missing, repeated or foreign bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        if not data:
            return b"\0"
        place = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind < 3:
            data[place] = rng.choice([rng.randrange(256), data[place] ^ (1 << rng.randrange(8)), 0, 255])
        elif kind == 3:
            del data[place : place + rng.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = data[place : place + rng.randrange(1, 17)]
        else:
            start = rng.randrange(len(data))
            data[place : place + 8] = data[start : start + 8]
    return bytes(data)


def mutate_png(data, rng):
    """The PNG with a changed chunk, whose checksum is right. Pixels are changed before they are compressed."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        chunks.append([kind, data[place + 8 : place + 8 + length]])
        place += 12 + length
    number = rng.randrange(len(chunks))
    kind, body = chunks[number]
    if kind == b"IDAT" and rng.random() < 0.8:
        pixels = b"".join(body for kind, body in chunks if kind == b"IDAT")
        try:
            pixels = zlib.compress(mutate(zlib.decompress(pixels), rng))
        except zlib.error:
            return mutate(data, rng)
        first = next(place for place, (kind, _) in enumerate(chunks) if kind == b"IDAT")
        chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
        chunks.insert(first, [b"IDAT", pixels])
    elif body:
        chunks[number][1] = mutate(body, rng)
    return data[:8] + b"".join(png_chunk(kind, body) for kind, body in chunks)


def is_known(path):
    """Whether other pixels are known. Decoders of fax, Zstandard and lossy WebP go on behind damage, and guess otherwise. Pillow
    clips gray with 16 bits, and reads planes of 16 bits as bytes, which is in docs/parity.md: a changed tag can make it of another
    type."""
    with Image.open(path) as picture:
        compression = str(picture.info.get("compression"))
        is_lossy_webp = picture.format == "WEBP" and b"VP8 " in path.read_bytes()
        tags = getattr(picture, "tag_v2", {})
        has_deep_planes = compression == "raw" and tags.get(PLANAR) == 2 and 16 in tags.get(BITS, ())
        goes_on = compression in ("group3", "group4", "tiff_ccitt", "zstd") or is_lossy_webp
        return goes_on or has_deep_planes or picture.mode.startswith("I;16")


def reference(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = over_white(load_image(str(path)))
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"size": list(picture.size), "crc32": zlib.crc32(picture.tobytes())}


def images(pixels, work, count, seed):
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).iterdir()) if path.name not in SKIPPED]
    contents = [(path, path.read_bytes()) for path in files]
    rng = random.Random(seed)
    results = collections.defaultdict(collections.Counter)
    total, number, bad = 0, 0, []
    while total < count:
        source, data = contents[number % len(contents)]
        number += 1
        changed = mutate_png(data, rng) if source.suffix == ".png" and rng.random() < 0.7 else mutate(data, rng)
        path = work / f"{number}-{source.name}"
        path.write_bytes(changed)
        theirs, ours = reference(path), pixels.ask(str(path))
        verdict = judge(theirs, ours)
        if "crc32" in theirs:
            total += 1
        if verdict == "other pixels" and is_known(path):
            verdict = "known"
            path.unlink()
        elif verdict in ("other pixels", "crash"):
            bad.append(f"{path.name}: {verdict}")
        elif verdict == "only Pillow" and results[source.suffix][verdict] < 3:
            print(f"{path.name}: only Pillow reads it; ours: {ours.get('error')}")
        else:
            path.unlink()
        results[source.suffix][verdict] += 1
    return results, total, number, bad


def judge(theirs, ours):
    if "crash" in ours:
        return "crash"
    if "error" in theirs and "error" in ours:
        return "refused by both"
    if "error" in theirs:
        return "only ours"
    if "error" in ours:
        return "only Pillow"
    return "equal" if ours == theirs else "other pixels"


def existing(pixels, folders, seed):
    """The files of folders as they are, each content once. Videos are known by the end of their name."""
    # Photos are larger than mutated images may be.
    Image.MAX_IMAGE_PIXELS = 1 << 28
    rng, seen = random.Random(seed), set()
    images, videos, bad = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter), []
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest in seen:
            continue
        seen.add(digest)
        is_video = path.suffix.lower() in VIDEO_SUFFIXES
        if is_video:
            verdict, theirs, ours = compare_video(pixels, path, rng)
        else:
            theirs, ours = reference(path), pixels.ask(str(path))
            verdict = judge(theirs, ours)
        if verdict == "refused by both":
            continue
        if verdict == "only Pillow" and "unknown format" in ours["error"]:
            verdict = "unknown format"
        elif verdict == "other pixels" and is_known(path):
            verdict = "known"
        elif verdict in ("only Pillow", "only ours"):
            print(f"{path}: {verdict}; {ours.get('error', theirs.get('error'))}")
        elif verdict in ("other pixels", "other frames", "crash"):
            bad.append(f"{path}: {verdict}: {ours} in place of {theirs}")
        results, kind = (videos, path.suffix.lower()) if is_video else (images, picture_format(path))
        results[kind][verdict] += 1
    return images, videos, bad


def picture_format(path):
    try:
        with Image.open(path) as picture:
            return picture.format
    except Exception:
        return "not identified by Pillow"


CODECS = {
    "h264": (["-c:v", "libx264", "-preset", "ultrafast"], ["mp4", "mkv", "mov", "flv"]),
    "h264-b": (["-c:v", "libx264", "-preset", "veryfast", "-bf", "3"], ["mp4", "mkv", "mov"]),
    "mpeg4": (["-c:v", "mpeg4"], ["mp4", "avi", "mkv"]),
    "mpeg2": (["-c:v", "mpeg2video", "-bf", "2"], ["mkv"]),
    "mjpeg": (["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"], ["avi", "mkv"]),
    "vp8": (["-c:v", "libvpx", "-deadline", "realtime"], ["webm"]),
    "vp9": (["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"], ["webm", "mkv"]),
}


def generate(path, rng):
    """A video of noise, with random sizes, rates and times. Returns its kind."""
    kind = rng.choice(list(CODECS))
    options, containers = CODECS[kind]
    path = path.with_suffix(f".{rng.choice(containers)}")
    width, height = (2 * rng.randrange(16, 80) for _ in range(2))
    rate = rng.choice(["10", "24", "25", "30000/1001", "50", "7"]) if kind != "mpeg2" else rng.choice(["24", "25", "30000/1001"])
    frames = rng.randrange(1, 50)
    source = f"testsrc2=s={width}x{height}:r={rate},noise=alls=9:allf=t"
    if rng.random() < 0.25 and path.suffix in (".mkv", ".mp4", ".mov"):
        source += f",setpts='if(lt(N,{rng.randrange(1, 20)}),N,N*2)/({rate})/TB'"
        options = [*options, "-fps_mode", "vfr"]
    args = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", str(frames)]
    if "-pix_fmt" not in options:
        args += ["-pix_fmt", "yuv420p"]
    args += [*options, "-g", str(rng.randrange(1, 30)), "-threads", "1", str(path)]
    subprocess.run(args, check=True)
    return kind, path


def compare_video(pixels, path, rng):
    """The verdict about a video, and both sides' answers."""
    from torchcodec.decoders import VideoDecoder

    try:
        decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1)
        total = decoder.metadata.num_frames
        indices = sorted(rng.sample(range(total), min(total, rng.randrange(1, 12))))
        batch = decoder.get_frames_at(indices=indices).data.permute(0, 2, 3, 1).contiguous().numpy()
        theirs = {
            "frames": total,
            "fps": decoder.metadata.average_fps,
            "crc32": [zlib.crc32(np.ascontiguousarray(frame).tobytes()) for frame in batch],
        }
    except Exception as error:
        theirs, indices = {"error": str(error)}, [0]
    ours = pixels.ask(f"{path}\t{','.join(map(str, indices))}")
    if "error" in theirs or "error" in ours or "crash" in ours:
        return judge(theirs, ours), theirs, ours
    same = all(ours[key] == theirs[key] for key in ("frames", "crc32")) and abs(ours["fps"] - theirs["fps"]) < 1e-6
    return "equal" if same else "other frames", theirs, ours


def videos(pixels, work, count, seed):
    rng = random.Random(seed)
    results, bad = collections.defaultdict(collections.Counter), []
    for number in range(count):
        kind, path = generate(work / f"video-{number}", rng)
        verdict, theirs, ours = compare_video(pixels, path, rng)
        results[kind][verdict] += 1
        if verdict in ("other frames", "only Pillow", "crash"):
            bad.append(f"{path.name}: {verdict}: {ours} in place of {theirs}")
        else:
            path.unlink()
    return results, bad


def table(results, kinds):
    print("| | " + " | ".join(kinds) + " |")
    print("|---|" + "---:|" * len(kinds))
    for name in sorted(results):
        print(f"| {name} | " + " | ".join(str(results[name][kind]) for kind in kinds) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pixels")
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=Path, nargs="+")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    pixels, bad = Pixels(args.pixels), []
    if args.files:
        pictures, moving, bad = existing(pixels, args.files, args.seed)
        table(pictures, ["equal", "only ours", "only Pillow", "unknown format", "known", "other pixels", "crash"])
        table(moving, ["equal", "only ours", "only Pillow", "other frames", "crash"])
    if args.images:
        results, total, number, differing = images(pixels, args.work, args.images, args.seed)
        print(f"{number} mutated images, of which Pillow reads {total}")
        table(results, ["equal", "refused by both", "only ours", "only Pillow", "known", "other pixels", "crash"])
        bad += differing
    if args.videos:
        results, differing = videos(pixels, args.work, args.videos, args.seed)
        print(f"{args.videos} generated videos")
        table(results, ["equal", "refused by both", "only ours", "other frames", "only Pillow", "crash"])
        bad += differing
    for line in bad:
        print(line)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
