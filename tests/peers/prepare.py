"""The inputs of every peer, and the embeddings that they are compared with: transformers in f32."""

import numpy
import torch
from PIL import Image

from batch import preprocess
from reference import embeddings, load_tower, versions


def prepare(arguments):
    torch.set_num_threads(arguments.threads)
    image = Image.open(arguments.image).convert("RGB")
    calibration = views(Image.open(arguments.calibration).convert("RGB"), image.size)
    inputs = preprocess(arguments.checkpoint, [image])
    others = preprocess(arguments.checkpoint, calibration)["pixel_values"].numpy()
    tower = load_tower(arguments.checkpoint)
    expected = embeddings(tower, inputs).numpy()
    rows, grid = inputs["pixel_values"].numpy(), inputs["grid_thw"].numpy()
    numpy.savez(
        arguments.dir / "inputs.npz",
        rows=rows,
        grid=grid,
        pixels=pixels(rows, grid[0], tower.config),
        calibration=others.reshape(len(calibration), *rows.shape),
    )
    numpy.asarray(expected, "<f4").tofile(arguments.dir / "expected.f32")
    return {"patches": len(rows), "width": expected.shape[-1], "versions": versions()}


def views(photo, size):
    """The photo and its four quarters, each in the size of the image."""
    width, height = (side // 2 for side in photo.size)
    corners = [(left, top) for left in (0, width) for top in (0, height)]
    quarters = [photo.crop((left, top, left + width, top + height)) for left, top in corners]
    return [view.resize(size) for view in (photo, *quarters)]


def pixels(rows, grid, config):
    """Patch rows of an image as pixels [height, width, 3]. The frames of a row are equal, so the first is enough."""
    _, height, width = (int(side) for side in grid)
    merge, patch = config.spatial_merge_size, config.patch_size
    blocks = rows.reshape(height // merge, width // merge, merge, merge, 3, -1, patch, patch)[:, :, :, :, :, 0]
    return blocks.transpose(0, 2, 5, 1, 3, 6, 4).reshape(height * patch, width * patch, 3)
