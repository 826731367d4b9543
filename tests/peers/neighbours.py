"""How much rounded embeddings change which images and tokens are nearest neighbours, for `cargo xtask neighbours`.

    neighbours.py crops DIR
        Cuts photos of the packages scikit-image and scikit-learn into crops, and writes them into DIR.
    neighbours.py compare EXACT ROUNDED...
        Compares files of `glm4v encode` with the file EXACT. Each gets a line of JSON.
"""

import argparse
import importlib.util
import json
from pathlib import Path

import numpy
from PIL import Image
from safetensors.numpy import load_file

# The packages with photos, and the folder below each.
PHOTOS = {"skimage": "data", "sklearn": "datasets/images"}
NAMES = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "china.jpg",
    "coffee.png",
    "coins.png",
    "flower.jpg",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
]
# Crops in each direction of a photo. A crop is a square of half the shorter side, so adjacent crops overlap.
CROPS = 3
# The width and height of a crop in pixels, after it was resized.
SIDE = 224
# How many neighbours are compared.
NEAREST = 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    crops = commands.add_parser("crops")
    crops.add_argument("dir", type=Path)
    compare = commands.add_parser("compare")
    compare.add_argument("exact", type=Path)
    compare.add_argument("rounded", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "crops":
        write_crops(arguments.dir)
        return
    exact = Embeddings(arguments.exact)
    for path in arguments.rounded:
        print(json.dumps(exact.compare(Embeddings(path))))


def write_crops(folder):
    sources = [package_folder(package) / below for package, below in PHOTOS.items()]
    for name in NAMES:
        path = next((source / name for source in sources if (source / name).exists()), None)
        if path is None:
            raise SystemExit(f"{name} is in neither {sources[0]} nor {sources[1]}: install tests/peers/requirements.txt")
        photo = Image.open(path).convert("RGB")
        for place, crop in enumerate(crops_of(photo)):
            crop.save(folder / f"{path.stem}-{place}.png")


def package_folder(package):
    found = importlib.util.find_spec(package)
    if found is None:
        raise SystemExit(f"the package {package} is not installed: install tests/peers/requirements.txt")
    return Path(found.origin).parent


def crops_of(photo):
    side = min(photo.size) // 2
    for row in range(CROPS):
        for column in range(CROPS):
            left, top = ((length - side) * step // (CROPS - 1) for length, step in zip(photo.size, (column, row)))
            yield photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


class Embeddings:
    """The tokens of a file and the means of its images, each with its nearest neighbours."""

    def __init__(self, path):
        stored = load_file(path)
        self.tokens = stored["embeddings"]
        patches = stored["grid_thw"].prod(axis=1)
        counts = patches * len(self.tokens) // patches.sum()
        images = numpy.split(self.tokens, numpy.cumsum(counts)[:-1])
        self.near_images = nearest(numpy.stack([tokens.mean(axis=0) for tokens in images]))
        self.near_tokens = nearest(self.tokens)

    def compare(self, rounded):
        exact, found = self.tokens.astype("f8"), rounded.tokens.astype("f8")
        lengths = numpy.linalg.norm(exact, axis=1) * numpy.linalg.norm(found, axis=1)
        cosines = (exact * found).sum(axis=1) / lengths
        return {
            "images": len(self.near_images),
            "tokens": len(self.near_tokens),
            "relative_l2": numpy.linalg.norm(found - exact) / numpy.linalg.norm(exact),
            "mean_cosine": cosines.mean(),
            "smallest_cosine": cosines.min(),
            "image_neighbours": agreement(self.near_images, rounded.near_images),
            "token_neighbours": agreement(self.near_tokens, rounded.near_tokens),
        }


def nearest(rows):
    """For each row the places of its nearest other rows, by cosine."""
    rows = rows / numpy.linalg.norm(rows, axis=1, keepdims=True)
    found = []
    for start in range(0, len(rows), 1024):
        cosines = rows[start : start + 1024] @ rows.T
        numpy.fill_diagonal(cosines[:, start:], -numpy.inf)
        found.append(numpy.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST])
    return numpy.concatenate(found)


def agreement(exact, found):
    """The mean share of the nearest neighbours that are the same."""
    shared = [len(set(one) & set(other)) for one, other in zip(exact.tolist(), found.tolist())]
    return sum(shared) / (NEAREST * len(shared))


if __name__ == "__main__":
    main()
