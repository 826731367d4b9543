"""BMP files: every header, depth and compression, whole and damaged. They are written byte by byte, because Pillow writes
few kinds."""

import struct

import numpy as np

from pictures import scene

WIDTH, HEIGHT = 29, 13
RAW, RLE8, RLE4, BITFIELDS = 0, 1, 2, 3
RGB565 = (0xF800, 0x7E0, 0x1F)
END_OF_ROW, END = b"\0\0", b"\0\1"
# Masks that Pillow refuses.
GENERAL = {
    "16-4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "16-332": (16, (0xE0, 0x1C, 0x3, 0)),
    "24-rgb": (24, (0xFF, 0xFF00, 0xFF0000, 0)),
    "32-10-10-10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    "32-rgbx": (32, (0xFF, 0xFF00, 0xFF0000, 0)),
}
# Refused by Pillow. Here they are read like the other file, which has the same picture.
SAME_AS = {
    "bmp-gray-4-levels.bmp": "bmp-gray-4-levels-in-8.bmp",
    "bmp-header-16-palette.bmp": "bmp-header-40-palette.bmp",
    "bmp-header-16-rgb.bmp": "bmp-header-40-rgb.bmp",
    "bmp-palette-2.bmp": "bmp-palette-2-in-4.bmp",
    "bmp-palette-2-top-down.bmp": "bmp-palette-2-in-4.bmp",
    "bmp-palette-2-unsaid.bmp": "bmp-palette-2-in-4.bmp",
}
SAME_AS |= {f"bmp-masks-{name}.bmp": f"bmp-masks-{name}-in-24.bmp" for name in GENERAL}
SAME_AS |= {f"bmp-rle{bits}-{kind}.bmp": f"bmp-rle{bits}-{kind}-in-codes.bmp" for bits in (4, 8) for kind in ("early-end", "empty-rows")}


def write_bmps(folder):
    for write in (write_headers, write_palettes, write_grays, write_masks, write_rle, write_rle_ends, write_cut):
        write(folder)


def write_headers(folder):
    picture = scene(WIDTH, HEIGHT, seed=61)
    indices, palette = indexed(picture, 200)
    for size in (12, 16, 40, 52, 56, 64, 108, 124):
        write(folder / f"bmp-header-{size}-palette.bmp", packed(indices, 8), 8, size=size, palette=palette)
        write(folder / f"bmp-header-{size}-rgb.bmp", packed(colors(picture), 24), 24, size=size)
    rows = packed(indices[::-1], 8)
    for name, options in {
        "top-down": {"height": -HEIGHT},
        "two-planes": {"planes": 2},
        "no-offset": {"offset": 0},
        "offset-of-palette": {"offset": 54},
        "gap": {"gap": 7},
        "offset-inside-palette": {"offset": 60},
        "many-colors": {"colors": 300},
        "too-many-colors": {"colors": 70_000},
        "negative-width": {"width": -WIDTH},
        "no-width": {"width": 0},
        "high-negative-height": {"height": -(1 << 24) - 1},
        "unknown-header": {"claimed": 44},
        "jpeg": {"compression": 4},
        "png": {"compression": 5},
        "alpha-masks": {"compression": 6},
        "masks-with-palette": {"compression": BITFIELDS},
        "3-bits": {"bits": 3},
        "0-bits": {"bits": 0},
    }.items():
        write(folder / f"bmp-{name}.bmp", rows, options.pop("bits", 8), palette=palette, **options)
    write(folder / "bmp-no-offset-rgb.bmp", packed(colors(picture), 24), 24, offset=0)
    write(folder / "bmp-rgb-with-palette.bmp", packed(colors(picture), 24), 24, palette=palette)
    write(folder / "bmp-rgb-rle.bmp", packed(colors(picture), 24), 24, compression=RLE8)


def write_palettes(folder):
    picture = scene(WIDTH, HEIGHT, seed=62)
    for bits in (1, 2, 4, 8):
        indices, palette = indexed(picture, 1 << bits)
        rows = packed(indices, bits)
        palette = palette.ljust(4 << bits, b"\x55")
        write(folder / f"bmp-palette-{bits}.bmp", rows, bits, palette=palette)
        write(folder / f"bmp-palette-{bits}-top-down.bmp", packed(indices[::-1], bits), bits, palette=palette, height=-HEIGHT)
        # The header says 0 for as many as there are.
        write(folder / f"bmp-palette-{bits}-unsaid.bmp", rows, bits, palette=palette, colors=0)
        if bits == 2:
            write(folder / "bmp-palette-2-in-4.bmp", packed(indices, 4), 4, palette=palette)
        else:
            short = palette[: 3 << (bits - 1)] if bits > 1 else palette[:4]
            write(folder / f"bmp-palette-{bits}-short.bmp", rows, bits, palette=short)
            write(folder / f"bmp-palette-{bits}-os2.bmp", rows, bits, size=12, palette=palette)
    write(folder / "bmp-palette-8-none.bmp", rows, 8, palette=b"", colors=0)
    write(folder / "bmp-palette-8-in-pixels.bmp", rows, 8, palette=palette[:40], colors=256)
    write(folder / "bmp-palette-4-many.bmp", packed(indices % 16, 4), 4, palette=palette)
    write(folder / "bmp-palette-1-many.bmp", packed(indices % 2, 1), 1, palette=palette[:24])


def write_grays(folder):
    """Palettes of gray, which Pillow drops."""
    gray = np.asarray(scene(WIDTH, HEIGHT, seed=63).convert("L"))[::-1]
    for count in (17, 256, 512):
        write(folder / f"bmp-gray-8-{count}.bmp", packed(gray, 8), 8, palette=grays(count))
    write(folder / "bmp-gray-8-os2.bmp", packed(gray, 8), 8, size=12, palette=grays(256))
    write(folder / "bmp-gray-8-one-off.bmp", packed(gray, 8), 8, palette=grays(255) + b"\0\1\2\3")
    write(folder / "bmp-gray-4.bmp", packed(gray >> 4, 4), 4, palette=b"".join(bytes([17 * index] * 3 + [0]) for index in range(16)))
    write(folder / "bmp-gray-4-levels.bmp", packed(gray >> 4, 4), 4, palette=grays(16))
    # Long enough for 8 bits a pixel.
    write(folder / "bmp-gray-4-levels-long.bmp", packed(gray >> 4, 4) + packed(gray >> 4, 4), 4, palette=grays(16))
    write(folder / "bmp-gray-4-levels-in-8.bmp", packed(gray >> 4, 8), 8, palette=grays(16))
    for bits in (1, 4, 8):
        rows = packed(gray >> 7, bits)
        for name, palette in {"black": [0], "white": [255], "black-white": [0, 255], "white-black": [255, 0]}.items():
            palette = b"".join(bytes([level] * 3 + [0]) for level in palette)
            write(folder / f"bmp-{name}-{bits}.bmp", rows, bits, palette=palette)


def write_masks(folder):
    rgb = np.asarray(scene(WIDTH, HEIGHT, seed=64))[::-1].astype(np.uint32)
    alpha = np.arange(WIDTH, dtype=np.uint32) * 5 % 256 + np.zeros((HEIGHT, 1), np.uint32)
    pixels = np.dstack([rgb, alpha])
    x555 = (0x7C00, 0x3E0, 0x1F)
    x888 = (0xFF0000, 0xFF00, 0xFF)
    write(folder / "bmp-16.bmp", masked(pixels, 16, (*x555, 0x8000)), 16)
    write(folder / "bmp-16-os2.bmp", masked(pixels, 16, x555), 16, size=12)
    write(folder / "bmp-16-top-down.bmp", masked(pixels[::-1], 16, x555), 16, height=-HEIGHT)
    write(folder / "bmp-32.bmp", masked(pixels, 32, (*x888, 0xFF000000)), 32)
    write(folder / "bmp-32-os2.bmp", masked(pixels, 32, x888), 32, size=12)
    for size in (40, 52, 56, 64, 108, 124):
        write(folder / f"bmp-565-{size}.bmp", masked(pixels, 16, RGB565), 16, size=size, masks=(*RGB565, 0))
        masks = (0xFF000000, 0xFF0000, 0xFF00, 0xFF)
        write(folder / f"bmp-abgr-{size}.bmp", masked(pixels, 32, masks), 32, size=size, masks=masks)
    write(folder / "bmp-565-no-offset.bmp", masked(pixels, 16, RGB565), 16, masks=RGB565, offset=0)
    write(folder / "bmp-565-cut-masks.bmp", b"", 16, masks=RGB565[:2], offset=54)
    layouts = {
        "32-bgrx": (32, (*x888, 0)),
        "32-xbgr": (32, (0xFF000000, 0xFF0000, 0xFF00, 0)),
        "32-bgxr": (32, (0xFF000000, 0xFF00, 0xFF, 0)),
        "32-rgba": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        "32-bgra": (32, (*x888, 0xFF000000)),
        "32-bgar": (32, (0xFF000000, 0xFF00, 0xFF, 0xFF0000)),
        "24": (24, (*x888, 0)),
        "16-555": (16, (*x555, 0)),
        "16-1555": (16, (*x555, 0x8000)),
    } | GENERAL
    for name, (bits, masks) in layouts.items():
        write(folder / f"bmp-masks-{name}.bmp", masked(pixels, bits, masks), bits, size=56, masks=masks)
    for name, (bits, masks) in GENERAL.items():
        levels = np.dstack([level_of(pixels[..., index], mask) for index, mask in enumerate(masks[:3])])
        write(folder / f"bmp-masks-{name}-in-24.bmp", packed(levels[..., ::-1].astype(np.uint8), 24), 24)
    write(folder / "bmp-masks-32-none.bmp", masked(pixels, 32, x888), 32, size=56, masks=(0, 0, 0, 0))
    for name, masks in {"gap": (0xF500, 0xF0, 0xF), "wide": (0xF0000, 0xF0, 0xF), "missing": (0xF00, 0, 0xF)}.items():
        write(folder / f"bmp-masks-{name}.bmp", masked(pixels, 16, RGB565), 16, size=56, masks=(*masks, 0))


def write_rle(folder):
    picture = scene(WIDTH, HEIGHT, seed=65)
    for code, name, bits in ((RLE8, "8", 8), (RLE4, "4", 4)):
        indices, palette = indexed(picture, min(200, 1 << bits))
        # Runs, and between them pixels without any.
        indices[:, 5:20] = indices[:, 5:6]
        indices[3:6] = 2
        codes = [row_codes(row, code) for row in indices]
        options = {"compression": code, "palette": palette}
        whole = END_OF_ROW.join(codes) + END
        write(folder / f"bmp-rle{name}.bmp", whole, bits, **options)
        write(folder / f"bmp-rle{name}-odd-offset.bmp", realigned(indices, code), bits, gap=1, **options)
        write(folder / f"bmp-rle{name}-top-down.bmp", whole, bits, height=-HEIGHT, **options)
        write(folder / f"bmp-rle{name}-os2.bmp", whole, bits, size=64, **options)
        write(folder / f"bmp-rle{name}-other-depth.bmp", whole, 12 - bits, **options)
        write(folder / f"bmp-rle{name}-one-bit.bmp", whole, 1, **options)
        write(folder / f"bmp-rle{name}-gray.bmp", whole, bits, compression=code, palette=grays(1 << bits))
        write(folder / f"bmp-rle{name}-black-white.bmp", whole, bits, compression=code, palette=grays(1) + b"\xff\xff\xff\0")
        # Columns 7 to 11 and two rows are skipped.
        skipping = [row_codes(row[:7], code) + b"\0\2\5\0" + row_codes(row[12:], code) for row in indices]
        skipping[9:12] = [row_codes(indices[9, :20], code) + b"\0\2\x09\2"]
        write(folder / f"bmp-rle{name}-skips.bmp", END_OF_ROW.join(skipping) + END, bits, **options)
        skipping[-1] = b"\0\2\xff\xff"
        write(folder / f"bmp-rle{name}-skip-behind-end.bmp", END_OF_ROW.join(skipping), bits, **options)
        short = [row_codes(row[: 10 + number], code) for number, row in enumerate(indices)]
        write(folder / f"bmp-rle{name}-short-rows.bmp", END_OF_ROW.join(short) + END_OF_ROW + END, bits, **options)
        # A run that is too long ends with its row. Pixels without runs go on in the next row.
        long = [*codes[:4], codes[4] + b"\x09\x31", b"\xff\x12", *codes[6:]]
        write(folder / f"bmp-rle{name}-long-runs.bmp", END_OF_ROW.join(long) + END, bits, **options)
        over = [absolute(indices[:2].reshape(-1), code) + b"\x09\x31", *codes[2:]]
        write(folder / f"bmp-rle{name}-over-rows.bmp", END_OF_ROW.join(over) + END, bits, **options)


def write_rle_ends(folder):
    """Images that end early, and rows without pixels."""
    picture = scene(WIDTH, HEIGHT, seed=66)
    for code, name, bits in ((RLE8, "8", 8), (RLE4, "4", 4)):
        indices, palette = indexed(picture, min(200, 1 << bits))
        codes = [row_codes(row, code) for row in indices]
        options = {"compression": code, "palette": palette}
        whole = END_OF_ROW.join(codes)
        write(folder / f"bmp-rle{name}-no-end.bmp", whole, bits, **options)
        write(folder / f"bmp-rle{name}-cut.bmp", whole[:-1], bits, **options)
        write(folder / f"bmp-rle{name}-cut-skip.bmp", END_OF_ROW.join(codes[:9]) + b"\0\2\3", bits, **options)
        write(folder / f"bmp-rle{name}-early-end-long-run.bmp", codes[0] + b"\1\2" + END_OF_ROW + END, bits, **options)
        write(folder / f"bmp-rle{name}-nothing.bmp", b"", bits, **options)
        skip_to_end = b"\0\2" + bytes([0, HEIGHT - 9])
        for kind, codes_of_kind, same in (
            ("early-end", [*codes[:9], END], [*codes[:9], skip_to_end]),
            ("empty-rows", [b"", *codes[1:9], b"", b"", *codes[11:], END], [row_codes([0] * WIDTH, code), *codes[1:9], b"\0\2\0\2" + codes[11], *codes[12:], END]),
        ):
            write(folder / f"bmp-rle{name}-{kind}.bmp", END_OF_ROW.join(codes_of_kind), bits, **options)
            write(folder / f"bmp-rle{name}-{kind}-in-codes.bmp", END_OF_ROW.join(same), bits, **options)


def write_cut(folder):
    """Each part of a file, cut off."""
    picture = scene(WIDTH, HEIGHT, seed=67)
    indices, palette = indexed(picture, 16)
    kinds = {"rgb": file(packed(colors(picture), 24), 24), "4": file(packed(indices, 4), 4, palette=palette)}
    for name, whole in kinds.items():
        padding = -WIDTH * 3 % 4 if name == "rgb" else -(-WIDTH // 2) % 4
        for place, length in {
            "file-header": 12,
            "size-of-header": 16,
            "header": 50,
            "palette": 70,
            "half": len(whole) // 2,
            "padding": len(whole) - padding,
            "last-pixel": len(whole) - padding - 1,
        }.items():
            (folder / f"bmp-cut-{name}-{place}.bmp").write_bytes(whole[:length])
    (folder / "bmp-too-long.bmp").write_bytes(whole + whole)


def write(path, pixels, bits, **options):
    path.write_bytes(file(pixels, bits, **options))


def file(
    pixels,
    bits,
    *,
    size=40,
    claimed=None,
    width=WIDTH,
    height=HEIGHT,
    planes=1,
    compression=RAW,
    palette=b"",
    colors=None,
    masks=(),
    offset=None,
    gap=0,
):
    """A BMP file. `pixels` are rows as they are stored. `palette` has 4 bytes a colour."""
    if masks:
        compression = BITFIELDS
    if size == 12:
        header = struct.pack("<IHHHH", 12, width, height, planes, bits)
        palette = b"".join(palette[start : start + 3] for start in range(0, len(palette), 4))
    else:
        count = len(palette) // 4 if colors is None else colors
        header = struct.pack("<IiiHHIIIIII", claimed or size, width, height, planes, bits, compression, len(pixels), 2835, 2835, count, 0)
        numbers = struct.pack(f"<{len(masks)}I", *masks)
        header = header[:size] + numbers[:12] if size == 40 else (header + numbers)[:size].ljust(size, b"\0")
    start = 14 + len(header) + len(palette) + gap
    head = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start if offset is None else offset)
    return head + header + palette + bytes(gap) + pixels


def indexed(picture, count):
    """The indices of the stored rows, and the palette."""
    picture = picture.quantize(count)
    levels = np.array(picture.getpalette()[: 3 * count], np.uint8).reshape(-1, 3)
    return np.asarray(picture)[::-1].copy(), b"".join(bytes([*level[::-1], 0]) for level in levels)


def colors(picture):
    return np.asarray(picture)[::-1, :, ::-1]


def grays(count):
    return b"".join(bytes([index % 256] * 3 + [0]) for index in range(count))


def packed(values, bits):
    """Rows whose length is a multiple of 4 bytes."""
    rows = values.reshape(len(values), -1)
    if bits < 8:
        rows = np.packbits(np.unpackbits(rows[..., None], axis=-1)[..., 8 - bits :].reshape(len(rows), -1), axis=-1)
    return np.pad(rows, [(0, 0), (0, -rows.shape[1] % 4)]).tobytes()


def masked(pixels, bits, masks):
    """Channels of 8 bits, moved to their masks."""
    numbers = np.zeros(pixels.shape[:2], np.uint64)
    for channel, mask in zip(np.moveaxis(pixels, -1, 0), masks):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            numbers |= (channel.astype(np.uint64) * (mask >> shift) // 255) << np.uint64(shift)
    bytes_of_pixels = numbers.astype("<u8").view(np.uint8).reshape(*numbers.shape, 8)
    return packed(bytes_of_pixels[..., : bits // 8], 8)


def level_of(channel, mask):
    """The level that is left of one with 8 bits."""
    most = mask >> ((mask & -mask).bit_length() - 1)
    return channel * most // 255 * 255 // most


def row_codes(row, code):
    """Runs, and pixels without runs, of at most 20 pixels each."""
    codes, place, row = b"", 0, [int(index) for index in row]
    while place < len(row):
        run = 1
        while run < 20 and row[place : place + run + 1] == [row[place]] * (run + 1):
            run += 1
        if run >= 3 or len(row) - place < 3:
            codes += bytes([run, row[place] if code == RLE8 else row[place] * 17])
            place += run
        else:
            codes += absolute(row[place : place + 20], code)
            place += 20
    return codes


def absolute(indices, code, place=0):
    """Pixels without runs. They end at an even place."""
    indices = [int(index) for index in indices]
    data = bytes(indices)
    if code == RLE4:
        data = bytes(high << 4 | low for high, low in zip(indices[::2], [*indices[1::2], 0]))
    return bytes([0, len(indices)]) + data + bytes((len(data) + place) % 2)


def realigned(indices, code):
    """Rows of a file whose pixels start at an odd place. The first pixels end at an even one."""
    first, *others = indices
    return END_OF_ROW.join([absolute(first, code, place=1), *(absolute(row, code) for row in others)]) + END
