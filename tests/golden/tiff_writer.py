"""TIFF files, byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

NONE, GROUP_4, LZW, OLD_JPEG, JPEG, DEFLATE = 1, 4, 5, 6, 7, 8
WIDTH, HEIGHT = 45, 31


def write(path, pixels, tags, *, order="<", big=False, compression=NONE, rows=None, tile=None, planes=False, bits=8, kinds={}):
    """A TIFF file. `pixels` are samples as they are stored, row by row."""
    layers = [pixels[..., index] for index in range(pixels.shape[2])] if planes else [pixels]
    chunks = [chunk for layer in layers for chunk in cut(layer, rows, tile, bits)]
    if compression == DEFLATE:
        chunks = [zlib.compress(chunk, 9) for chunk in chunks]
    if compression == JPEG:
        chunks = [gray_jpeg(chunk) for chunk in chunks]
    place = {322: tile[0], 323: tile[1]} if tile else {278: rows or HEIGHT}
    tags = tags | place | ({284: 2} if planes else {})
    listed = (324, 325) if tile else (273, 279)
    write_chunks(path, chunks, tags, order=order, big=big, compression=compression, kinds=kinds, listed=listed)


def write_chunks(path, chunks, tags, *, order="<", big=False, compression=NONE, kinds={}, listed=(273, 279), front=b""):
    """A TIFF file with compressed strips or tiles, which two tags list. `front` lies before them."""
    tags = {256: WIDTH, 257: HEIGHT, 259: compression} | tags
    head = (16 if big else 8) + len(front)
    starts = [head + sum(map(len, chunks[:index])) for index in range(len(chunks))]
    wide = dict.fromkeys(listed, "Q" if big else "I")
    if chunks:
        tags |= {listed[0]: starts, listed[1]: [len(chunk) for chunk in chunks]}
    body = front + b"".join(chunks)
    body += bytes(len(body) % 2)
    start = head - len(front) + len(body)
    path.write_bytes(header(order, big, start) + body + directory(tags, order, big, start, wide | kinds))


def gray_jpeg(chunk):
    """Rows of one plane as a JPEG file."""
    file = io.BytesIO()
    Image.frombytes("L", (WIDTH, len(chunk) // WIDTH), chunk).save(file, "JPEG", quality=85)
    return file.getvalue()


def cut(layer, rows, tile, bits):
    """The bytes of strips or tiles."""
    if tile is None:
        step = rows or len(layer)
        return [layer[start : start + step].tobytes() for start in range(0, len(layer), step)]
    width, height = tile[0] * bits // 8, tile[1]
    padding = [(0, -layer.shape[0] % height), (0, -layer.shape[1] % width)] + [(0, 0)] * (layer.ndim - 2)
    padded = np.pad(layer, padding)
    corners = [(y, x) for y in range(0, padded.shape[0], height) for x in range(0, padded.shape[1], width)]
    return [padded[y : y + height, x : x + width].tobytes() for y, x in corners]


def header(order, big, start):
    mark = {"<": b"II", ">": b"MM"}[order]
    return mark + (struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start))


def directory(tags, order, big, start, kinds):
    numbers = {"H": 3, "I": 4, "Q": 16}
    count, place = ("Q", "Q") if big else ("H", "I")
    size = struct.calcsize(order + place)
    behind = start + struct.calcsize(order + count) + len(tags) * (4 + 2 * size) + size
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        value = value if isinstance(value, (list, bytes)) else [value]
        if isinstance(value, bytes):
            kind, amount, data = 1, len(value), value
        elif isinstance(value[0], tuple):
            kind, amount = 5, len(value)
            data = b"".join(struct.pack(order + "II", *ratio) for ratio in value)
        else:
            letter = kinds.get(tag, "H")
            kind, amount, data = numbers[letter], len(value), struct.pack(order + letter * len(value), *value)
        entry = struct.pack(order + "HH" + place, tag, kind, amount)
        if len(data) <= size:
            entry += data.ljust(size, b"\0")
        else:
            entry += struct.pack(order + place, behind + len(values))
            values += data + bytes(len(data) % 2)
        entries += entry
    return struct.pack(order + count, len(tags)) + entries + bytes(size) + values
