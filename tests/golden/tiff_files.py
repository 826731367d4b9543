"""TIFF files of many kinds: by Pillow where it can write them, and otherwise byte by byte."""

import numpy as np
from PIL import Image

from pictures import ORIENTATION, scene, with_alpha, with_black
from tiff_writer import DEFLATE, HEIGHT, JPEG, NONE, WIDTH, write

FILL_ORDER, PREDICTOR = 266, 317


def write_tiffs(folder):
    for write in (write_compressed, write_gray, write_palettes, write_colors, write_layouts, write_ycbcr, write_jpeg, write_other):
        write(folder)


def write_compressed(folder):
    """By Pillow, which is to say by libtiff; with both orders of bits."""
    picture = scene(WIDTH, HEIGHT, seed=21)
    modes = {"1": ["group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd"]}
    modes |= {"L": ["packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd"], "RGB": ["tiff_lzw", "tiff_deflate", "zstd"]}
    for mode, compressions in modes.items():
        image = picture.convert(mode)
        for compression in compressions:
            name = f"tiff-{mode.lower()}-{compression.replace('_', '-')}"
            image.save(folder / f"{name}.tif", compression=compression)
            image.save(folder / f"{name}-fill-order-2.tif", compression=compression, tiffinfo={FILL_ORDER: 2})
    fax = scene(300, 40, seed=22).convert("1")
    fax.save(folder / "tiff-group3-two-dimensional.tif", compression="group3", tiffinfo={292: 1})
    fax.save(folder / "tiff-group3-filled.tif", compression="group3", tiffinfo={292: 4})
    fax.save(folder / "tiff-group4-strips.tif", compression="group4", strip_size=400)
    Image.new("1", (3000, 9), 1).save(folder / "tiff-group4-white.tif", compression="group4")
    Image.new("1", (3000, 9), 0).save(folder / "tiff-group3-black.tif", compression="group3")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "zstd"):
        name = compression.replace("_", "-")
        picture.save(folder / f"tiff-predictor-{name}.tif", compression=compression, tiffinfo={PREDICTOR: 2})


def write_gray(folder):
    gray = np.asarray(scene(WIDTH, HEIGHT, seed=23).convert("L"))
    for bits in (1, 2, 4, 8):
        for photometric, name in ((0, "white-is-zero"), (1, "black-is-zero")):
            rows = packed(gray >> (8 - bits), bits)
            write(folder / f"tiff-gray-{bits}-{name}.tif", rows, {258: bits, 262: photometric})
            write(folder / f"tiff-gray-{bits}-{name}-fill-order-2.tif", reversed_bits(rows), {258: bits, 262: photometric, 266: 2})
    deep = gray.astype(np.uint16) * 257
    for name, order, tags in (("", "<", {262: 1}), ("-big-endian", ">", {262: 1}), ("-white-is-zero", "<", {262: 0})):
        write(folder / f"tiff-gray-16{name}.tif", deep.astype(order + "u2"), {258: 16} | tags, order=order)
    write(folder / "tiff-gray-16-fill-order-2.tif", reversed_bits(deep.astype("<u2")), {258: 16, 262: 1, 266: 2})
    write(folder / "tiff-gray-12.tif", packed(deep >> 4, 12), {258: 12, 262: 1})
    signed = gray.astype(int) * 3 - 200
    for order, name in (("<", "little"), (">", "big")):
        write(folder / f"tiff-gray-signed-16-{name}.tif", signed.astype(order + "i2"), {258: 16, 262: 1, 339: 2}, order=order)
        write(folder / f"tiff-gray-signed-32-{name}.tif", signed.astype(order + "i4"), {258: 32, 262: 1, 339: 2}, order=order)
        write(folder / f"tiff-gray-float-{name}.tif", (signed / 1.7).astype(order + "f4"), {258: 32, 262: 1, 339: 3}, order=order)
    write(folder / "tiff-gray-signed-8.tif", gray, {258: 8, 262: 1, 339: 2})
    write(folder / "tiff-gray-32.tif", signed.astype("<i4"), {258: 32, 262: 1, 339: 1})
    write(folder / "tiff-gray-float-deflate.tif", (signed / 1.7).astype("<f4"), {258: 32, 262: 0, 339: 3}, compression=DEFLATE)
    floats = (signed / 1.7).astype("<f4")
    write(folder / "tiff-gray-float-predictor-2.tif", differences(floats.view("<u4")), {258: 32, 262: 1, 339: 3, 317: 2}, compression=DEFLATE)
    write(folder / "tiff-gray-float-predictor-3.tif", float_differences(floats), {258: 32, 262: 1, 339: 3, 317: 3}, compression=DEFLATE)
    write(folder / "tiff-gray-double.tif", signed.astype("<f8"), {258: 64, 262: 1, 339: 3})
    alpha = np.stack([gray, np.asarray(with_alpha(scene(WIDTH, HEIGHT)).getchannel("A"))], axis=-1)
    for kind, name in ((0, "unused"), (1, "multiplied"), (2, "alpha")):
        pixels = premultiplied(alpha) if kind == 1 else alpha
        write(folder / f"tiff-gray-{name}.tif", pixels, {258: [8, 8], 262: 1, 277: 2, 338: kind})


def write_palettes(folder):
    for bits in (1, 2, 4, 8):
        palette = scene(WIDTH, HEIGHT, seed=24).quantize(1 << bits)
        indices = np.asarray(palette)
        levels = np.zeros((1 << bits, 3), np.uint16)
        used = np.array(palette.getpalette()[: 3 << bits]).reshape(-1, 3)
        levels[: len(used)] = used * 256 + 77
        tags = {258: bits, 262: 3, 320: levels.T.reshape(-1).tolist()}
        rows = packed(indices, bits)
        write(folder / f"tiff-palette-{bits}.tif", rows, tags)
        write(folder / f"tiff-palette-{bits}-fill-order-2.tif", reversed_bits(rows), tags | {266: 2})
        write(folder / f"tiff-palette-{bits}-deflate.tif", rows, tags, compression=DEFLATE)
    alpha = np.stack([indices, 255 - indices], axis=-1)
    for kind, name in ((0, "unused"), (2, "alpha")):
        write(folder / f"tiff-palette-{name}.tif", alpha, tags | {258: [8, 8], 277: 2, 338: kind})


def write_colors(folder):
    rgba = np.asarray(with_alpha(scene(WIDTH, HEIGHT, seed=25)))
    rgb, deep = rgba[:, :, :3], rgba.astype(np.uint16) * 257 + 40
    eight = lambda count: {258: [8] * count, 262: 2, 277: count}
    for compression, name in ((NONE, ""), (DEFLATE, "-deflate")):
        for order, end in (("<", ""), (">", "-big-endian")):
            tags = {258: [16] * 3, 262: 2, 277: 3}
            write(folder / f"tiff-rgb-16{name}{end}.tif", deep[:, :, :3].astype(order + "u2"), tags, order=order, compression=compression)
        for kind, kind_name in ((0, "unused"), (1, "multiplied"), (2, "alpha")):
            pixels = premultiplied(rgba) if kind == 1 else rgba
            write(folder / f"tiff-rgb-{kind_name}{name}.tif", pixels, eight(4) | {338: kind}, compression=compression)
            wide = premultiplied(deep) if kind == 1 else deep
            tags = {258: [16] * 4, 262: 2, 277: 4, 338: kind}
            write(folder / f"tiff-rgb-{kind_name}-16{name}.tif", wide.astype("<u2"), tags, compression=compression)
    write(folder / "tiff-rgb-untold-alpha.tif", rgba, eight(4))
    five = np.concatenate([premultiplied(rgba), rgba[:, :, :1]], axis=-1)
    write(folder / "tiff-rgb-multiplied-and-unused.tif", five, eight(5) | {338: [1, 0]})
    write(folder / "tiff-rgb-fill-order-2.tif", reversed_bits(rgb), eight(3) | {266: 2})
    write(folder / "tiff-rgb-16-predictor.tif", differences(deep[:, :, :3]), {258: [16] * 3, 262: 2, 277: 3, 317: 2}, compression=DEFLATE)
    big = differences(deep[:, :, :3]).astype(">u2")
    write(folder / "tiff-rgb-16-predictor-big-endian.tif", big, {258: [16] * 3, 262: 2, 277: 3, 317: 2}, compression=DEFLATE, order=">")
    inks = np.asarray(with_black(scene(WIDTH, HEIGHT, seed=26)))
    cmyk = {258: [8] * 4, 262: 5, 277: 4}
    write(folder / "tiff-cmyk.tif", inks, cmyk)
    write(folder / "tiff-cmyk-deflate.tif", inks, cmyk, compression=DEFLATE)
    write(folder / "tiff-cmyk-16.tif", (inks.astype(np.uint16) * 257).astype("<u2"), cmyk | {258: [16] * 4})
    extra = np.concatenate([inks, inks[:, :, :1]], axis=-1)
    write(folder / "tiff-cmyk-unused.tif", extra, cmyk | {258: [8] * 5, 277: 5, 338: 0})
    write(folder / "tiff-lab.tif", rgb, eight(3) | {262: 8})


def write_layouts(folder):
    """Strips, tiles, planes, files of both sizes and byte orders."""
    rgba = np.asarray(with_alpha(scene(WIDTH, HEIGHT, seed=27)))
    rgb, gray = rgba[:, :, :3], rgba[:, :, 1]
    eight = {258: [8] * 3, 262: 2, 277: 3}
    for compression, name in ((NONE, ""), (DEFLATE, "-deflate")):
        options = {"compression": compression}
        write(folder / f"tiff-strips{name}.tif", rgb, eight, rows=7, **options)
        write(folder / f"tiff-tiles{name}.tif", rgb, eight, tile=(16, 16), **options)
        write(folder / f"tiff-tiles-gray{name}.tif", gray, {258: 8, 262: 1}, tile=(32, 16), **options)
        write(folder / f"tiff-one-tile{name}.tif", rgb, eight, tile=(64, 48), **options)
        write(folder / f"tiff-planes{name}.tif", rgb, eight, planes=True, **options)
        write(folder / f"tiff-planes-strips{name}.tif", rgb, eight, planes=True, rows=7, **options)
        write(folder / f"tiff-planes-tiles{name}.tif", rgb, eight, planes=True, tile=(16, 16), **options)
        write(folder / f"tiff-big-file{name}.tif", rgb, eight, big=True, rows=7, **options)
        write(folder / f"tiff-big-file-big-endian{name}.tif", rgb, eight, big=True, order=">", rows=7, **options)
        write(folder / f"tiff-big-endian{name}.tif", rgb, eight, order=">", rows=7, **options)
    for kind, name in ((1, "multiplied"), (2, "alpha")):
        pixels = premultiplied(rgba) if kind == 1 else rgba
        tags = {258: [8] * 4, 262: 2, 277: 4, 338: kind}
        write(folder / f"tiff-planes-{name}-deflate.tif", pixels, tags, planes=True, compression=DEFLATE)
    one_bit = packed(gray >> 7, 1, width=48)
    write(folder / "tiff-tiles-one-bit.tif", one_bit, {258: 1, 262: 1}, tile=(16, 16), bits=1, compression=DEFLATE)


def write_ycbcr(folder):
    ycbcr = np.asarray(scene(WIDTH, HEIGHT, seed=28).convert("YCbCr"))
    tags = {258: [8] * 3, 262: 6, 277: 3, 530: [1, 1]}
    write(folder / "tiff-ycbcr.tif", ycbcr, tags)
    write(folder / "tiff-ycbcr-deflate.tif", ycbcr, tags, compression=DEFLATE)
    levels = {532: [(15, 1), (235, 1), (128, 1), (240, 1), (128, 1), (240, 1)]}
    shares = {529: [(2125, 10000), (7154, 10000), (721, 10000)]}
    write(folder / "tiff-ycbcr-video-levels.tif", ycbcr, tags | levels | shares, compression=DEFLATE)
    for across, down in ((2, 2), (2, 1), (4, 2), (1, 2)):
        blocks = subsampled(ycbcr, across, down)
        write(folder / f"tiff-ycbcr-{across}-{down}.tif", blocks, tags | {530: [across, down]}, compression=DEFLATE)


def write_jpeg(folder):
    picture = scene(WIDTH + 20, HEIGHT + 20, seed=29)
    picture.save(folder / "tiff-jpeg.tif", compression="jpeg", quality=85)
    picture.convert("L").save(folder / "tiff-jpeg-gray.tif", compression="jpeg", quality=85)
    picture.convert("YCbCr").save(folder / "tiff-jpeg-ycbcr.tif", compression="jpeg", quality=85)
    picture.convert("YCbCr").save(folder / "tiff-jpeg-strips.tif", compression="jpeg", quality=85, strip_size=65 * 16 * 3)
    with_black(picture).save(folder / "tiff-jpeg-cmyk.tif", compression="jpeg", quality=85)
    with_alpha(picture).save(folder / "tiff-jpeg-alpha.tif", compression="jpeg", quality=85)
    with_black(picture).save(folder / "tiff-jpeg-cmyk-strips.tif", compression="jpeg", quality=85, strip_size=65 * 16 * 4)
    rgba = np.asarray(with_alpha(scene(WIDTH, HEIGHT, seed=29)))
    planes = {"planes": True, "compression": JPEG}
    write(folder / "tiff-jpeg-planes.tif", rgba[:, :, :3], {258: [8] * 3, 262: 2, 277: 3}, **planes)
    write(folder / "tiff-jpeg-planes-strips.tif", rgba[:, :, :3], {258: [8] * 3, 262: 2, 277: 3}, rows=16, **planes)
    inks = np.asarray(with_black(scene(WIDTH, HEIGHT, seed=26)))
    write(folder / "tiff-jpeg-planes-cmyk.tif", inks, {258: [8] * 4, 262: 5, 277: 4}, **planes)
    ycbcr = np.asarray(scene(WIDTH, HEIGHT, seed=28).convert("YCbCr"))
    write(folder / "tiff-jpeg-planes-ycbcr.tif", ycbcr, {258: [8] * 3, 262: 6, 277: 3, 530: [1, 1]}, **planes)
    write(folder / "tiff-jpeg-planes-alpha.tif", rgba, {258: [8] * 4, 262: 2, 277: 4, 338: 2}, **planes)


def write_other(folder):
    picture = scene(WIDTH, HEIGHT, seed=30)
    for orientation in (3, 5, 6):
        picture.save(folder / f"tiff-orientation-{orientation}.tif", compression="tiff_lzw", tiffinfo={ORIENTATION: orientation})
    rgb = np.asarray(picture)
    eight = {258: [8] * 3, 262: 2, 277: 3}
    write(folder / "tiff-orientation-long.tif", rgb, eight | {ORIENTATION: [6]}, kinds={ORIENTATION: "I"})
    write(folder / "tiff-orientation-long-big-endian.tif", rgb, eight | {ORIENTATION: [8]}, kinds={ORIENTATION: "I"}, order=">")
    write(folder / "tiff-orientation-0-xmp.tif", rgb, eight | {ORIENTATION: 0, 700: b'<a tiff:Orientation="6"/>'})
    write(folder / "tiff-xmp.tif", rgb, eight | {700: b'<a tiff:Orientation="6"/>'})
    picture.save(folder / "tiff-lzma.tif", compression="lzma")
    pages = [scene(WIDTH, HEIGHT, seed=31)]
    picture.save(folder / "tiff-two-pages.tif", save_all=True, append_images=pages, compression="tiff_lzw")


def packed(samples, bits, width=None):
    """Rows of samples of few bits, the first in the highest bits."""
    width = width or samples.shape[1]
    padded = np.zeros((samples.shape[0], width), int)
    padded[:, : samples.shape[1]] = samples
    digits = (padded[:, :, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(digits.reshape(len(padded), -1).astype(np.uint8), axis=1)


def reversed_bits(rows):
    bits = np.unpackbits(np.frombuffer(rows.tobytes(), np.uint8).reshape(-1, 1), axis=1)
    return np.packbits(bits[:, ::-1]).reshape(len(rows), -1)


def premultiplied(pixels):
    most = np.iinfo(pixels.dtype).max
    colors = pixels[..., :-1].astype(np.int64) * pixels[..., -1:] // most
    return np.concatenate([colors.astype(pixels.dtype), pixels[..., -1:]], axis=-1)


def differences(pixels):
    first = np.zeros_like(pixels[:, :1])
    return np.diff(pixels, axis=1, prepend=first)


def float_differences(floats):
    """Floating-point predictor: bytes by significance, then differences."""
    highest_first = floats.astype(">f4").view(np.uint8).reshape(*floats.shape, 4)
    sorted_bytes = highest_first.transpose(0, 2, 1).reshape(len(floats), -1)
    return differences(sorted_bytes)


def subsampled(ycbcr, across, down):
    """Blocks of brightness with one pair of colour differences."""
    height, width, _ = ycbcr.shape
    padded = np.pad(ycbcr, ((0, -height % down), (0, -width % across), (0, 0)), mode="edge")
    rows = []
    for y in range(0, len(padded), down):
        for x in range(0, padded.shape[1], across):
            block = padded[y : y + down, x : x + across]
            rows += [block[:, :, 0].tobytes(), bytes([block[0, 0, 1], block[0, 0, 2]])]
    return np.frombuffer(b"".join(rows), np.uint8)
