"""Image files as cameras, scanners and layout programs write them, and what `load_image` makes of each.

`make_codec_files(folder)` writes the files, the same bytes each time with the same Pillow. `decoded_goldens(folder)` reads
them. The pictures are small: these files test decoders, not the resize.
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from transformers.image_utils import load_image

from avif_files import write_avifs
from bmp_files import SAME_AS as SAME_BMPS, write_bmps
from old_tiff_files import write_old_tiffs
from pictures import ORIENTATION, png_chunk, scene, with_alpha
from tiff_files import write_tiffs

CODECS = Path(__file__).resolve().parent.parent / "codecs"

XMP = '<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
SHORT, LONG, RATIONAL, SIGNED_BYTE, SIGNED_LONG, FLOAT, DOUBLE = 3, 4, 5, 6, 9, 11, 12
FORMATS = {1: "B", SHORT: "H", LONG: "I", RATIONAL: "II", SIGNED_BYTE: "b", 8: "h", SIGNED_LONG: "i", FLOAT: "f", DOUBLE: "d"}
# Read otherwise, on purpose: Pillow clips 16-bit gray to 255, does not invert it, and fails at gray with multiplied alpha.
DIFFERS = [
    "tiff-gray-12.tif",
    "tiff-gray-16.tif",
    "tiff-gray-16-big-endian.tif",
    "tiff-gray-16-fill-order-2.tif",
    "tiff-gray-16-white-is-zero.tif",
    "tiff-gray-multiplied.tif",
]
# Refused by Pillow, or read as bytes in place of 16 bits. Here they are read like the other file, which has the same picture.
SAME_AS = {
    "tiff-big-file-big-endian.tif": "tiff-big-file.tif",
    "tiff-big-file-big-endian-deflate.tif": "tiff-big-file.tif",
    "tiff-gray-8-white-is-zero-fill-order-2.tif": "tiff-gray-8-white-is-zero.tif",
    "tiff-palette-1-fill-order-2.tif": "tiff-palette-1.tif",
    "tiff-palette-2-fill-order-2.tif": "tiff-palette-2.tif",
    "tiff-palette-4-fill-order-2.tif": "tiff-palette-4.tif",
    "tiff-planes-16.tif": "tiff-planes-16-deflate.tif",
} | SAME_BMPS
# Read by Pillow. Here they are refused.
REFUSED = ["tiff-jpeg-planes-ycbcr.tif", "tiff-lab.tif", "tiff-lzma.tif"]


def make_codec_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    writers = [write_exif_types, write_xmp, write_png_metadata, write_webps, write_gifs, write_damaged_pngs]
    for write in [*writers, write_tiffs, write_old_tiffs, write_avifs, write_bmps]:
        write(folder)


def decoded_goldens(folder):
    return {"files": [decoded(path) for path in sorted(folder.iterdir()) if path.suffix != ".md"]}


def decoded(path):
    name = path.name
    if name in DIFFERS:
        return {"file": name, "differs": True}
    case = {"file": name} | ({"refused": True} if name in REFUSED else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = over_white(load_image(str(path.with_name(SAME_AS.get(name, name)))))
        except Exception as error:
            message = str(error).splitlines()[0].replace(f"{path.parent}/", "")
            return case | {"error": f"{type(error).__name__}: {message}"}
    return case | {"size": list(picture.size), "crc32": zlib.crc32(picture.tobytes())}


def over_white(picture):
    """The image processor lays a picture with a transparent colour over white."""
    if not picture.has_transparency_data:
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def write_exif_types(folder):
    """One orientation in every type that EXIF can have for it."""
    picture = scene(46, 30, seed=11)
    values = {SHORT: 6, LONG: 6, SIGNED_BYTE: 6, 8: 6, SIGNED_LONG: 6, FLOAT: 6.0, DOUBLE: 6.0, 1: 6}
    for order in "<>":
        name = {"<": "little", ">": "big"}[order]
        for kind, value in values.items():
            write_exif(folder / f"exif-type-{kind}-{name}.jpg", picture, exif_block(order, kind, [value]))
        write_exif(folder / f"exif-type-{RATIONAL}-{name}.jpg", picture, exif_block(order, RATIONAL, [12, 2]))
        write_exif(folder / f"exif-type-{LONG}-{name}.png", picture, exif_block(order, LONG, [8]))
        write_exif(folder / f"exif-type-{LONG}-{name}.webp", picture, exif_block(order, LONG, [8]), lossless=True)
    write_exif(folder / "exif-two-values.jpg", picture, exif_block("<", SHORT, [6, 3]))
    write_exif(folder / "exif-prefixed-twice.jpg", picture, b"Exif\0\0" + exif_block("<", SHORT, [6]))


def write_exif(path, picture, block, **options):
    picture.save(path, exif=b"Exif\0\0" + block, quality=85, **options)


def exif_block(order, kind, values):
    """EXIF with one entry, whose values lie behind the directory if they need more than 4 bytes."""
    count = len(values) // len(FORMATS[kind])
    data = struct.pack(order + FORMATS[kind] * count, *values)
    place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", 26)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 1)
    entry = struct.pack(order + "HHI", ORIENTATION, kind, count) + place
    return head + entry + bytes(4) + (data if len(data) > 4 else b"")


def write_xmp(folder):
    """Orientation in XMP, beside an EXIF of 0, and twice."""
    picture = scene(46, 30, seed=12)
    zero = exif_block("<", SHORT, [0])
    other = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x02\0\0\0X\0\0\0\0\0\0\0"
    for suffix, options in (("jpg", {"quality": 85}), ("webp", {"lossless": True})):
        picture.save(folder / f"xmp-6.{suffix}", xmp=(XMP % 6).encode(), **options)
        picture.save(folder / f"xmp-6-exif-0.{suffix}", xmp=(XMP % 6).encode(), exif=b"Exif\0\0" + zero, **options)
        picture.save(folder / f"xmp-6-exif-other.{suffix}", xmp=(XMP % 6).encode(), exif=other, **options)
    # EXIF without the magic number of TIFF, and with its bytes swapped.
    for name, magic in (("other-magic", b"IW*\0"), ("swapped-magic", b"II\0*")):
        exif = b"Exif\0\0" + magic + exif_block("<", SHORT, [3])[4:]
        picture.save(folder / f"xmp-6-exif-{name}.jpg", quality=85, xmp=(XMP % 6).encode(), exif=exif)
    once = (folder / "xmp-6.jpg").read_bytes()
    packet = b"http://ns.adobe.com/xap/1.0/\0" + (XMP % 8).encode()
    second = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    start = once.index(b"\xff\xdb")
    (folder / "xmp-6-xmp-8.jpg").write_bytes(once[:start] + second + once[start:])


def write_png_metadata(folder):
    """Metadata in every kind of chunk, before the pixels and behind them."""
    picture = scene(46, 30, seed=13)
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP % 6, zip=True)
    picture.save(folder / "png-xmp-compressed.png", pnginfo=info)
    turned, zero = exif_block(">", LONG, [6]), exif_block("<", SHORT, [0])
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + (XMP % 8).encode()
    digits = exif_block("<", SHORT, [3]).hex()
    raw = f"\nexif\n{len(digits) // 2:8}\n{digits[:36]}\n{digits[36:]}\n".encode()
    zipped = b"Raw profile type exif\0\0" + zlib.compress(raw)
    behind = {
        "exif-behind": [(b"eXIf", turned)],
        "xmp-behind": [(b"iTXt", xmp)],
        "exif-0-xmp-behind": [(b"eXIf", zero), (b"iTXt", xmp)],
        "two-exif-behind": [(b"eXIf", turned), (b"eXIf", exif_block("<", SHORT, [3]))],
        "raw-exif-behind": [(b"tEXt", b"Raw profile type exif\0" + raw)],
        "raw-exif-zipped-behind": [(b"zTXt", zipped)],
        "raw-exif-and-exif-behind": [(b"zTXt", zipped), (b"eXIf", turned)],
    }
    for name, chunks in behind.items():
        (folder / f"png-{name}.png").write_bytes(with_chunks(png(picture), chunks, before=b"IEND"))
    cut_off = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress((XMP % 6).encode())[:-3]
    (folder / "png-xmp-cut-off.png").write_bytes(with_chunks(png(picture), [(b"iTXt", cut_off)], before=b"IDAT"))
    (folder / "png-raw-exif.png").write_bytes(with_chunks(png(picture), [(b"zTXt", zipped)], before=b"IDAT"))
    frames = io.BytesIO()
    picture.save(frames, "PNG", save_all=True, append_images=[scene(46, 30, seed=14)], duration=100)
    animation = with_chunks(frames.getvalue(), [(b"eXIf", turned)], before=b"IEND")
    (folder / "png-animation-exif-behind.png").write_bytes(animation)
    # With an impossible number of frames, or with two numbers, Pillow takes it for a still.
    for name, numbers in {"no-frames": [0], "too-many-frames": [(1 << 31) + 1], "counted-twice": [2, 2], "one-frame": [1]}.items():
        (folder / f"png-animation-exif-{name}.png").write_bytes(with_frame_counts(animation, numbers))


def with_frame_counts(animation, numbers):
    start = animation.index(b"acTL") - 4
    chunks = [png_chunk(b"acTL", struct.pack(">II", number, 0)) for number in numbers]
    return animation[:start] + b"".join(chunks) + animation[start + 20 :]


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def with_chunks(file, chunks, before):
    start = file.index(before) - 4
    return file[:start] + b"".join(png_chunk(*chunk) for chunk in chunks) + file[start:]


def write_webps(folder):
    """Animations that are read as a still: their first frame."""
    first, second = with_alpha(scene(44, 28, seed=15)), with_alpha(scene(44, 28, seed=16))
    for name, options in (("lossy", {"quality": 80}), ("lossless", {"lossless": True, "exact": True})):
        first.save(folder / f"webp-animation-{name}.webp", save_all=True, append_images=[second], duration=100, **options)
    one = {"save_all": True, "append_images": [second.convert("RGB")], "duration": 100}
    first.convert("RGB").save(folder / "webp-animation-opaque.webp", quality=80, **one)
    first.save(folder / "webp-animation-exif.webp", save_all=True, append_images=[second], exif=exif_block("<", LONG, [6]))
    (folder / "webp-one-frame.webp").write_bytes(webp_animation((44, 28), (0, 0), first, quality=80))
    small = first.crop((0, 0, 30, 20))
    (folder / "webp-one-frame-inside.webp").write_bytes(webp_animation((44, 28), (8, 6), small, lossless=True, exact=True))


def webp_animation(canvas, corner, picture, **options):
    """One frame at a corner of a canvas."""
    file = io.BytesIO()
    picture.save(file, "WEBP", **options)
    chunks = file.getvalue()[12:]
    if chunks.startswith(b"VP8X"):
        chunks = chunks[18:]
    places = [corner[0] // 2, corner[1] // 2, picture.width - 1, picture.height - 1, 100]
    frame = b"".join(struct.pack("<I", place)[:3] for place in places) + b"\0" + chunks
    sides = b"".join(struct.pack("<I", side - 1)[:3] for side in canvas)
    body = webp_chunk(b"VP8X", b"\x12\0\0\0" + sides) + webp_chunk(b"ANIM", bytes(6)) + webp_chunk(b"ANMF", frame)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def write_gifs(folder):
    """GIF without a palette, with a short one, and with one that only the frame has."""
    file = io.BytesIO()
    scene(36, 30, seed=17).quantize(16).save(file, "GIF", optimize=False)
    gif = file.getvalue()
    size = 3 << ((gif[10] & 7) + 1)
    head, palette, rest = gif[:13], gif[13 : 13 + size], gif[13 + size :]
    bare = bytearray(head)
    bare[10] &= 0x7F
    (folder / "gif-no-palette.gif").write_bytes(bytes(bare) + rest)
    control = b"\x21\xf9\x04\x01\0\0\x05\0"
    frame = rest.index(b",")
    (folder / "gif-no-palette-transparent.gif").write_bytes(bytes(bare) + control + rest[frame:])
    short = bytearray(head)
    short[10] = short[10] & 0xF8 | 1
    (folder / "gif-short-palette.gif").write_bytes(bytes(short) + palette[:12] + rest)
    local = bytearray(rest[frame:])
    local[9] |= 0x80 | (gif[10] & 7)
    (folder / "gif-local-palette.gif").write_bytes(bytes(bare) + bytes(local[:10]) + palette + bytes(local[10:]))


def write_damaged_pngs(folder):
    """Wrong checksums, and pixels that end early."""
    picture = scene(40, 26, seed=18)
    for name, kind in (("idat", b"IDAT"), ("ihdr", b"IHDR"), ("text", b"tEXt"), ("iend", b"IEND")):
        info = PngInfo()
        info.add_text("Comment", "text")
        (folder / f"png-wrong-checksum-{name}.png").write_bytes(with_wrong_checksum(png(picture, pnginfo=info), kind))
    palette = picture.quantize(8)
    for name, image, options in (
        ("rgb", picture, {}),
        ("palette", palette, {}),
        ("gray-key", picture.convert("L"), {"transparency": 0}),
        ("rgba", with_alpha(picture), {}),
    ):
        whole = png(image, **options)
        (folder / f"png-few-rows-{name}.png").write_bytes(with_rows(whole, lambda rows, row: rows[: 17 * row]))
    whole = png(picture)
    (folder / "png-no-end.png").write_bytes(whole[:-12])
    (folder / "png-cut-end.png").write_bytes(whole[:-5])
    (folder / "png-cut-checksum.png").write_bytes(whole[:-14])
    (folder / "png-cut-checksum-of-pixels.png").write_bytes(whole[:-18])
    (folder / "png-cut-pixels.png").write_bytes(whole[: len(whole) // 2])
    unknown = png_chunk(b"ABCD", b"data")
    (folder / "png-unknown-chunk.png").write_bytes(whole[:33] + unknown + whole[33:])
    (folder / "png-unknown-chunk-behind.png").write_bytes(whole[:-12] + unknown + whole[-12:])
    (folder / "png-empty-palette-of-rgb.png").write_bytes(with_chunks(whole, [(b"PLTE", b"")], before=b"IDAT"))
    (folder / "png-long-palette-of-rgb.png").write_bytes(with_chunks(whole, [(b"PLTE", bytes(range(256)) * 4)], before=b"IDAT"))
    of_palette, colors = png(palette), bytes(range(40, 64))
    (folder / "png-two-palettes.png").write_bytes(with_chunks(of_palette, [(b"PLTE", colors)], before=b"IDAT"))
    (folder / "png-part-of-a-color.png").write_bytes(with_chunks(of_palette, [(b"PLTE", colors + b"\x07")], before=b"IDAT"))
    (folder / "png-long-header.png").write_bytes(whole[:8] + png_chunk(b"IHDR", whole[16:29] + b"more") + whole[33:])
    (folder / "png-compression-method.png").write_bytes(whole[:8] + png_chunk(b"IHDR", whole[16:26] + b"\x80" + whole[27:29]) + whole[33:])
    (folder / "png-no-rows.png").write_bytes(with_rows(whole, lambda rows, row: b""))
    (folder / "png-part-of-a-row.png").write_bytes(with_rows(whole, lambda rows, row: rows[: 17 * row + 9]))
    (folder / "png-many-rows.png").write_bytes(with_rows(whole, lambda rows, row: rows + rows[: 3 * row]))
    (folder / "png-few-rows-interlaced.png").write_bytes(interlaced(picture, 300))
    (folder / "png-interlaced.png").write_bytes(interlaced(picture, None))
    (folder / "png-interlace-method.png").write_bytes(interlaced(picture, None, method=26))


def with_wrong_checksum(file, kind):
    start = file.index(kind)
    end = start + 4 + struct.unpack(">I", file[start - 4 : start])[0]
    return file[:end] + bytes([file[end] ^ 0x55]) + file[end + 1 :]


def with_rows(file, change):
    """The file with other rows; all its pixels are in one chunk."""
    start = file.index(b"IDAT")
    length = struct.unpack(">I", file[start - 4 : start])[0]
    rows = zlib.decompress(file[start + 4 : start + 4 + length])
    height = struct.unpack(">I", file[20:24])[0]
    pixels = zlib.compress(change(rows, len(rows) // height))
    return file[: start - 4] + png_chunk(b"IDAT", pixels) + file[start + 8 + length :]


def interlaced(picture, cut, method=1):
    """An interlaced RGB file without filters, up to the row before byte `cut`."""
    pixels = np.asarray(picture)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx]]
    if cut is not None:
        ends = np.cumsum([len(row) for row in rows])
        rows = rows[: int((ends <= cut).sum())]
    header = struct.pack(">IIBBBBB", *picture.size, 8, 2, 0, 0, method)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
