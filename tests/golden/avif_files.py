"""AVIF files: by Pillow, and grids of them box by box. Pillow writes 8 bits only; tests/codecs/README.md says where the
files with 10 and 12 bits are from."""

import io
import struct

from pictures import exif, scene, with_alpha

WIDTH, HEIGHT = 45, 31


def write_avifs(folder):
    picture = scene(WIDTH, HEIGHT, seed=41)
    for subsampling in ("4:2:0", "4:2:2", "4:4:4", "4:0:0"):
        for levels in ("full", "limited"):
            image = picture.convert("L") if subsampling == "4:0:0" else picture
            name = f"avif-{subsampling.replace(':', '')}-{levels}.avif"
            image.save(folder / name, quality=80, subsampling=subsampling, range=levels, max_threads=1)
            image = image.crop((0, 0, 44, 30))
            image.save(folder / f"avif-even-{name[5:]}", quality=60, subsampling=subsampling, range=levels, max_threads=1)
    with_alpha(picture).save(folder / "avif-alpha.avif", quality=80, max_threads=1)
    gray = with_alpha(picture.convert("L"))
    gray.save(folder / "avif-gray-alpha.avif", quality=80, max_threads=1)
    gray.save(folder / "avif-gray-alpha-limited.avif", quality=80, subsampling="4:0:0", range="limited", max_threads=1)
    for orientation in range(1, 9):
        picture.save(folder / f"avif-exif-{orientation}.avif", quality=60, max_threads=1, exif=exif(orientation))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    picture.save(folder / "avif-xmp-6.avif", quality=60, max_threads=1, xmp=xmp)
    picture.save(folder / "avif-exif-1-xmp-6.avif", quality=60, max_threads=1, exif=exif(1), xmp=xmp)
    untold = avif(picture, quality=60, subsampling="4:2:0", range="limited").replace(b"colrnclx", b"freenclx")
    (folder / "avif-without-colours.avif").write_bytes(untold)
    for subsampling in ("4:2:0", "4:4:4"):
        parts = [avif(scene(64, 64, seed=43 + index), quality=60, subsampling=subsampling) for index in range(4)]
        name = f"avif-grid-{subsampling.replace(':', '')}.avif"
        (folder / name).write_bytes(grid(parts, (64, 64), (100, 90)))


def avif(picture, **options):
    file = io.BytesIO()
    picture.save(file, "AVIF", max_threads=1, **options)
    return file.getvalue()


def grid(parts, part_size, size):
    """Two rows of two images."""
    layout = struct.pack(">BBBBHH", 0, 0, 1, 1, *size)
    return heif(parts[0], [data_of(part) for part in parts], part_size, layout, size)


def heif(sample, data, part_size, layout, size):
    """A file of AV1 items with the properties of a sample, and of a grid over them."""
    ids = range(1, len(data) + 1)
    main = len(data) + 1
    kinds = [(number, b"av01") for number in ids] + [(main, b"grid")]
    entries = [full_box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", version=2) for number, kind in kinds]
    sides = [box_of(b"ispe", bytes(4) + struct.pack(">II", *sides)) for sides in (part_size, size)]
    shared = [property_of(sample, kind) for kind in (b"av1C", b"pixi", b"colr")]
    used = {number: [1, 3, 4, 5] for number in ids} | {main: [2, 4, 5]}
    associations = struct.pack(">I", len(used))
    for number, indices in used.items():
        associations += struct.pack(">HB", number, len(indices)) + bytes(indices)
    properties = box_of(b"ipco", b"".join(sides + shared)) + full_box(b"ipma", associations)
    reference = box_of(b"dimg", struct.pack(f">HH{len(data)}H", main, len(data), *ids))
    handler = full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))

    def meta(start):
        places, offset = b"", start
        for number, body in zip([*ids, main], [*data, layout]):
            places += struct.pack(">HHHII", number, 0, 1, offset, len(body))
            offset += len(body)
        places = full_box(b"iloc", struct.pack(">HH", 0x4400, main) + places)
        items = full_box(b"iinf", struct.pack(">H", main) + b"".join(entries))
        parts = [handler, full_box(b"pitm", struct.pack(">H", main)), places, items, box_of(b"iprp", properties)]
        return full_box(b"meta", b"".join([*parts, full_box(b"iref", reference)]))

    kind = box_of(b"ftyp", b"avif\0\0\0\0avifmif1miafMA1B")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + box_of(b"mdat", b"".join([*data, layout]))


def data_of(file):
    """The AV1 data of a file of one image, which are the last box."""
    start = file.index(b"mdat")
    return file[start + 4 : start - 4 + struct.unpack(">I", file[start - 4 : start])[0]]


def property_of(file, kind):
    start = file.index(kind) - 4
    return file[start : start + struct.unpack(">I", file[start : start + 4])[0]]


def box_of(kind, body):
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind, body, version=0):
    return box_of(kind, bytes([version, 0, 0, 0]) + body)
