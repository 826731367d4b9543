"""The synthetic images of tests/images: structure and noise, so that errors of resampling and decoding are visible.

`make_pictures(folder)` writes them all, the same bytes each time with the same Pillow.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

IMAGES = Path(__file__).resolve().parent.parent / "images"
ORIENTATION = 0x0112


def make_pictures(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for write in (write_sizes, write_png_modes, write_png_16_bit, write_jpegs, write_others, write_orientations):
        write(folder)


def write_sizes(folder):
    """RGB PNG in many shapes, named width x height."""
    sizes = [(1, 1), (20, 47), (56, 84), (60, 83), (90, 62), (100, 190), (200, 44), (600, 4), (4, 300), (900, 4)]
    for width, height in sizes:
        scene(width, height).save(folder / f"rgb-{width}x{height}.png")
    flat = np.tile(np.array([[[0, 255, 0], [255, 0, 255]]], np.uint8), (30, 23, 1))
    Image.fromarray(flat).save(folder / "stripes-46x30.png")


def write_png_modes(folder):
    picture = scene(90, 62, seed=2)
    palette = picture.quantize(32)
    palette.save(folder / "palette.png")
    palette.save(folder / "palette-alpha.png", transparency=bytes((index * 37) % 256 for index in range(32)))
    picture.quantize(4).save(folder / "palette-2bit.png", bits=2)
    picture.convert("L").save(folder / "gray.png")
    picture.convert("1").save(folder / "one-bit.png")
    picture.convert("L").save(folder / "gray-key.png", transparency=128)
    picture.save(folder / "rgb-key.png", transparency=picture.getpixel((3, 3)))
    with_alpha(picture.convert("L")).save(folder / "gray-alpha.png")
    with_alpha(picture).save(folder / "rgba.png")


def write_png_16_bit(folder):
    deep = np.asarray(scene(45, 31, seed=3)).astype(np.uint16) * 257
    deep = np.clip(deep.astype(int) + noise((31, 45, 3), 300, 3), 0, 65535).astype(np.uint16)
    (folder / "gray16.png").write_bytes(png_16_bit(deep[:, :, :1], color_type=0))
    (folder / "rgb16.png").write_bytes(png_16_bit(deep, color_type=2))


def write_jpegs(folder):
    picture = scene(75, 51, seed=4)
    picture.save(folder / "jpeg-444.jpg", quality=90, subsampling=0)
    picture.save(folder / "jpeg-422.jpg", quality=85, subsampling=1)
    picture.save(folder / "jpeg-420.jpg", quality=75, subsampling=2)
    picture.save(folder / "jpeg-420-low.jpg", quality=20, subsampling=2)
    picture.save(folder / "jpeg-progressive-444.jpg", quality=90, subsampling=0, progressive=True)
    picture.save(folder / "jpeg-progressive-420.jpg", quality=75, subsampling=2, progressive=True)
    picture.save(folder / "jpeg-restart.jpg", quality=75, subsampling=2, restart_marker_blocks=2)
    picture.save(folder / "jpeg-rgb.jpg", quality=85, keep_rgb=True)
    picture.convert("L").save(folder / "jpeg-gray.jpg", quality=85)
    with_black(picture).save(folder / "jpeg-cmyk.jpg", quality=85)


def write_others(folder):
    picture = scene(75, 51, seed=5)
    palette = picture.quantize(31)
    second = scene(75, 51, seed=6).quantize(31)
    palette.save(folder / "plain.gif")
    palette.save(folder / "transparent.gif", transparency=palette.getpixel((10, 10)))
    palette.save(folder / "animated.gif", save_all=True, append_images=[second], duration=100)
    picture.save(folder / "rgb.bmp")
    palette.save(folder / "palette.bmp")
    picture.save(folder / "plain.tiff")
    picture.save(folder / "lzw.tiff", compression="tiff_lzw")
    picture.save(folder / "deflate.tiff", compression="tiff_adobe_deflate")
    picture.convert("L").save(folder / "gray.tiff")
    with_alpha(picture).save(folder / "rgba.tiff")
    picture.save(folder / "lossless.webp", lossless=True)
    picture.save(folder / "lossy.webp", quality=80)
    with_alpha(picture).save(folder / "lossless-alpha.webp", lossless=True, exact=True)
    with_alpha(picture).save(folder / "lossy-alpha.webp", quality=80)


def write_orientations(folder):
    """EXIF orientations 1 to 8 of one asymmetric image, then one of them in every container that can hold it."""
    picture = scene(64, 38, seed=7)
    for orientation in range(1, 9):
        picture.save(folder / f"exif-{orientation}.jpg", quality=85, subsampling=0, exif=exif(orientation))
    picture.save(folder / "exif-6.png", exif=exif(6))
    picture.save(folder / "exif-6.webp", lossless=True, exif=exif(6))
    picture.save(folder / "exif-6.tiff", tiffinfo={ORIENTATION: 6})
    xmp = PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    picture.save(folder / "xmp-6.png", pnginfo=xmp)


def scene(width, height, seed=0):
    """Gradients, rings, hard-edged blocks and, over the right half, noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    radius = (x - width // 3) ** 2 + (y - height // 2) ** 2
    red = 255 * x // max(width - 1, 1)
    green = 128 + (radius % (211 + 20 * seed)) // 2 - 50
    blue = 230 * (((x // 7) + (y // 5) + seed) % 2)
    pixels = np.stack([red, green, blue], axis=-1)
    pixels[: height // 4, : width // 4] = [250, 20 + 25 * seed, 60]
    grain = noise(pixels.shape, 40, seed) * (x >= width // 2)[:, :, None]
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def noise(shape, amplitude, seed):
    return np.random.default_rng([seed, *shape]).integers(-amplitude, amplitude + 1, shape)


def with_alpha(picture):
    """Alpha from clear to solid, left to right, with a clear hole."""
    width, height = picture.size
    alpha = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    alpha[height // 3 : height // 2, width // 2 : width // 2 + 9] = 0
    picture = picture.copy()
    picture.putalpha(Image.fromarray(alpha))
    return picture


def with_black(picture):
    """CMYK with half of the common ink moved to black; Pillow's own conversion leaves black empty."""
    ink = 255 - np.asarray(picture).astype(int)
    black = ink.min(axis=-1, keepdims=True) // 2
    return Image.fromarray(np.concatenate([ink - black, black], axis=-1).astype(np.uint8), mode="CMYK")


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags.tobytes()


def png_16_bit(pixels, color_type):
    """A 16-bit PNG, which Pillow writes only in gray."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
