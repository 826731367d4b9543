"""TIFF files as programs of the 1990s wrote them, and some with tags that say too much."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from pictures import scene
from tiff_writer import DEFLATE, GROUP_4, HEIGHT, LZW, NONE, OLD_JPEG, WIDTH, cut, write, write_chunks


def write_old_tiffs(folder):
    for write_some in (write_old, write_old_jpeg):
        write_some(folder)


def write_old(folder):
    """Very old LZW, tiles that are listed as strips, planes and numbers of bits to spare, empty runs."""
    picture = scene(WIDTH, HEIGHT, seed=32)
    rgb = np.asarray(picture)
    gray, eight = rgb[:, :, 1], {258: [8] * 3, 262: 2, 277: 3}
    write_chunks(folder / "tiff-lzw-lowest-bit-first.tif", [lowest_bit_first_lzw(rgb.tobytes())], eight | {278: HEIGHT}, compression=LZW)
    differences_of = [lowest_bit_first_lzw(rows.tobytes()) for rows in np.split(np.diff(rgb, axis=1, prepend=np.zeros_like(rgb[:, :1])), [10, 20, 30])]
    write_chunks(folder / "tiff-lzw-lowest-bit-first-strips.tif", differences_of, eight | {278: 10, 317: 2}, compression=LZW)
    tiles = [zlib.compress(tile, 9) for tile in cut(rgb, None, (16, 16), 8)]
    write_chunks(folder / "tiff-tiles-as-strips.tif", tiles, eight | {278: 16, 322: 16, 323: 16}, compression=DEFLATE)
    write(folder / "tiff-rgb-more-bits.tif", rgb, eight | {258: [8, 8, 8, 1]})
    unused = np.stack([gray, gray], axis=-1)
    write(folder / "tiff-planes-unused.tif", unused, {258: [8, 8], 262: 1, 277: 2, 338: 0}, planes=True, compression=DEFLATE)
    lost = {258: [8, 8], 262: 1, 277: 2, 278: HEIGHT, 284: 2, 338: 0}
    write_chunks(folder / "tiff-planes-lost.tif", [zlib.compress(gray.tobytes(), 9), b""], lost, compression=DEFLATE)
    deep = rgb.astype("<u2") * 257 + 40
    for compression, name in ((NONE, ""), (DEFLATE, "-deflate")):
        write(folder / f"tiff-planes-16{name}.tif", deep, eight | {258: [16] * 3}, planes=True, compression=compression)
    write(folder / "tiff-signed-predictor.tif", rgb, eight | {278: HEIGHT, 317: 2}, compression=DEFLATE)
    file = bytearray((folder / "tiff-signed-predictor.tif").read_bytes())
    file[file.index(struct.pack("<H", 317)) + 2] = 9
    (folder / "tiff-signed-predictor.tif").write_bytes(file)
    # An entry between others claims more values than the file has bytes.
    write(folder / "tiff-impossible-count.tif", rgb, eight | {274: 6})
    file = bytearray((folder / "tiff-impossible-count.tif").read_bytes())
    place = file.index(struct.pack("<H", 279)) + 4
    file[place : place + 4] = struct.pack("<I", 1 << 24)
    (folder / "tiff-impossible-count.tif").write_bytes(file)
    # Horizontal with two empty runs, horizontal with white 2 and black 3, to the end; then a pass over the empty runs, and
    # the same changes.
    rows = "001 00110101 0000110111 001 0111 10 1", "0001 1 1 1"
    bits = (rows[0] + rows[1] * 3).replace(" ", "") + "000000000001" * 2
    data = int(bits.ljust(len(bits) + -len(bits) % 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    write_chunks(folder / "tiff-group4-empty-runs.tif", [data], {256: 8, 257: 4, 258: 1, 262: 0, 277: 1, 278: 4}, compression=GROUP_4)


def write_old_jpeg(folder):
    """One JPEG file, whose parts are in strips, tags and places of their own."""
    picture = scene(WIDTH, HEIGHT, seed=33)
    tags = {258: [8] * 3, 262: 6, 277: 3, 278: HEIGHT}
    old = {"compression": OLD_JPEG}
    for subsampling, name in (("4:4:4", "1-1"), ("4:2:2", "2-1"), ("4:2:0", "2-2")):
        whole = jpeg_file(picture, subsampling=subsampling)
        # The sampling of the tag is wrong twice.
        write_chunks(folder / f"tiff-old-jpeg-{name}.tif", [whole], tags | {513: 8, 530: [2, 2]}, **old)
    write_chunks(folder / "tiff-old-jpeg-no-samples.tif", [whole], {258: [8] * 3, 262: 2, 278: HEIGHT, 513: 8, 514: len(whole)}, **old)
    write_chunks(folder / "tiff-old-jpeg-in-strip.tif", [whole], tags, order=">", **old)
    far = {513: 8, 514: len(whole)}
    write_chunks(folder / "tiff-old-jpeg-no-strips.tif", [], {258: [8] * 3, 262: 6, 277: 3} | far, front=whole, **old)
    header, scans, tables = jpeg_parts(jpeg_file(picture, subsampling="4:2:0", restart_marker_rows=1))
    strips = tags | {278: 16}
    write_chunks(folder / "tiff-old-jpeg-header.tif", scans, strips | {513: 8, 514: len(header)}, front=header, **old)
    write_chunks(folder / "tiff-old-jpeg-header-in-strip.tif", [header + scans[0], *scans[1:]], strips, **old)
    places = [8 + sum(map(len, tables[:index])) for index in range(len(tables))]
    by_tag = {519: [places[0], places[1], places[1]], 520: [places[2], places[4], places[4]], 521: [places[3], places[5], places[5]]}
    wide = {tag: "I" for tag in (519, 520, 521, 532)}
    front = b"".join(tables)
    write_chunks(folder / "tiff-old-jpeg-tables.tif", scans, strips | by_tag, front=front, kinds=wide, **old)
    levels = {532: [16, 235, 128, 240, 128, 240], 530: [2, 2]}
    write_chunks(folder / "tiff-old-jpeg-tables-levels.tif", scans, strips | by_tag | levels, order=">", front=front, kinds=wide, **old)
    padded = Image.new("RGB", (48, 32))
    padded.paste(picture)
    _, scans, tables = jpeg_parts(jpeg_file(padded, subsampling="4:2:0", restart_marker_rows=1))
    tiles = {258: [8] * 3, 262: 6, 277: 3, 322: 48, 323: 16}
    write_chunks(folder / "tiff-old-jpeg-tiles.tif", scans, tiles | by_tag, front=b"".join(tables), kinds=wide, listed=(324, 325), **old)
    gray = jpeg_file(picture.convert("L"))
    write_chunks(folder / "tiff-old-jpeg-gray.tif", [gray], {258: 8, 262: 1, 277: 1, 278: HEIGHT, 513: 8}, **old)
    progressive = jpeg_file(picture, progressive=True)
    write_chunks(folder / "tiff-old-jpeg-progressive.tif", [progressive], tags | {513: 8}, **old)
    write_chunks(folder / "tiff-old-jpeg-no-tables.tif", scans[:1], tags, **old)


def lowest_bit_first_lzw(data):
    """LZW that fills each byte from its lowest bit. Codes get wider when a longer one is needed."""
    clear, end = 256, 257
    codes, width, bits, count = {bytes([byte]): byte for byte in range(256)}, 9, clear, 9
    following, run = 258, b""
    for byte in data:
        longer = run + bytes([byte])
        if longer in codes:
            run = longer
            continue
        bits, count = bits | codes[run] << count, count + width
        codes[longer], following, run = following, following + 1, longer[-1:]
        if following > 1 << width:
            width += 1
        if following == 4095:
            bits, count = bits | clear << count, count + width
            codes, width, following = {bytes([byte]): byte for byte in range(256)}, 9, 258
    bits, count = bits | codes[run] << count, count + width
    if following + 1 > 1 << width:
        width += 1
    bits, count = bits | end << count, count + width
    return bits.to_bytes((count + 7) // 8, "little")


def jpeg_file(picture, **options):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def jpeg_parts(file):
    """The header of a JPEG file; the pixels between restart marks; and its tables without markers: both quantization tables,
    then the DC and AC codes of the first sample and of the others."""
    place, quantization, codes = 2, [], []
    while True:
        marker, length = struct.unpack(">BxH", file[place + 1 : place + 2] + b"\0" + file[place + 2 : place + 4])
        body, place = file[place + 4 : place + 2 + length], place + 2 + length
        if marker == 0xDB:
            quantization += [body[start + 1 : start + 65] for start in range(0, len(body), 65)]
        elif marker == 0xC4:
            while body:
                end = 17 + sum(body[1:17])
                codes.append(body[1:end])
                body = body[end:]
        elif marker == 0xDA:
            break
    scans, start = [], place
    for index in range(place, len(file) - 2):
        if file[index] == 0xFF and 0xD0 <= file[index + 1] <= 0xD7:
            scans.append(file[start:index])
            start = index + 2
    scans.append(file[start:-2])
    return file[:place], scans, quantization + codes
