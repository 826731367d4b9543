"""AVIF files: by Pillow, and grids of them box by box. Pillow writes 8 bits only; tests/codecs/README.md says where the
files with 10 and 12 bits are from."""

import io
import struct

from PIL import Image

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
    for write in (write_matrices, write_deep_alpha, write_multiplied, write_properties, write_metadata, write_grids, write_sequences):
        write(folder)


def write_matrices(folder):
    """Coded planes whose file names another matrix than the one they were made with: (matrix, primaries, full range)."""
    kinds = [(4, 1, 1), (7, 1, 0), (8, 1, 1), (12, 1, 0), (12, 9, 1), (12, 12, 1), (12, 22, 0), (15, 1, 1)]
    for subsampling in ("4:2:0", "4:2:2", "4:4:4"):
        sample = avif(scene(WIDTH, HEIGHT, seed=45), quality=80, subsampling=subsampling)
        for kind in kinds if subsampling == "4:2:0" else [(12, 12, 1), (8, 1, 1)]:
            write_matrix(folder, subsampling, sample, kind)
        if subsampling == "4:4:4":
            write_matrix(folder, subsampling, sample, (0, 1, 0))
    deep = (folder / "avif-ffmpeg-gbrp10le-rgb-pc.avif").read_bytes()
    for kind in [(16, 1, 1), (12, 12, 0), (0, 1, 0)]:
        write_matrix(folder, "4:4:4 10", deep, kind)
    write_matrix(folder, "4:2:2 10", (folder / "avif-ffmpeg-yuv422p10le-bt2020nc-tv.avif").read_bytes(), (4, 1, 0))
    sample = avif(scene(WIDTH, HEIGHT, seed=45), quality=80)
    # Refused: a limited range, and those that are not linear.
    for kind in [(8, 1, 0), (10, 9, 1), (13, 1, 1), (14, 9, 1), (16, 1, 1)]:
        write_matrix(folder, "4:2:0", sample, kind)


def write_matrix(folder, subsampling, sample, kind):
    matrix, primaries, full_range = kind
    depth = "".join(character for character in subsampling if character not in ": ")
    name = f"avif-matrix-{matrix}-primaries-{primaries}-{depth}-{'full' if full_range else 'limited'}.avif"
    (folder / name).write_bytes(still(sample, coding=coding(*kind)))


def write_deep_alpha(folder):
    """10 and 12 bits beside transparency."""
    alphas = {bits: (folder / f"avif-ffmpeg-gray{bits}le-bt709-{levels}.avif").read_bytes() for bits, levels in ((10, "tv"), (12, "pc"))}
    for path in sorted(folder.glob("avif-ffmpeg-*1[02]le-*.avif")):
        sample = path.read_bytes()
        kind = coding(6, 1, 1) if "gbrp" in path.name else property_of(sample, b"colr")
        alpha = alphas[10 if "10le" in path.name else 12]
        name = path.name.replace("ffmpeg", "{}")
        (folder / name.format("alpha")).write_bytes(still(sample, alpha, coding=kind))
        (folder / name.format("multiplied")).write_bytes(still(sample, alpha, coding=kind, multiplied=True))


def write_multiplied(folder):
    """Colours that are multiplied by the transparency."""
    picture = with_alpha(scene(WIDTH, HEIGHT, seed=46))
    for subsampling in ("4:2:0", "4:4:4"):
        name = f"avif-multiplied-{subsampling.replace(':', '')}.avif"
        picture.save(folder / name, quality=80, subsampling=subsampling, alpha_premultiplied=True, max_threads=1)
    # All levels beside all levels of transparency, also those that multiplied colours cannot have.
    levels = Image.frombytes("L", (256, 1), bytes(range(256))).resize((256, 256))
    exact = {"quality": 100, "subsampling": "4:0:0"}
    sample, alpha = avif(levels, **exact), avif(levels.transpose(Image.Transpose.TRANSPOSE), **exact)
    (folder / "avif-multiplied-levels.avif").write_bytes(still(sample, alpha, multiplied=True))
    # libavif divides before it rounds, or afterwards.
    alpha = avif(scene(WIDTH, HEIGHT, seed=47).convert("L"), quality=80, subsampling="4:0:0", range="limited")
    for subsampling, matrix in (("4:2:0", 4), ("4:4:4", 4), ("4:4:4", 8), ("4:4:4", 0)):
        sample = avif(scene(WIDTH, HEIGHT, seed=46), quality=80, subsampling=subsampling)
        name = f"avif-multiplied-matrix-{matrix}-{subsampling.replace(':', '')}.avif"
        (folder / name).write_bytes(still(sample, alpha, coding=coding(matrix, 1, 1), multiplied=True))


def write_properties(folder):
    """A property that no reader knows, and a colour profile beside the coding."""
    sample = avif(scene(WIDTH, HEIGHT, seed=48), quality=60)
    rotated = [box_of(b"irot", b"\1"), box_of(b"clop", bytes(4))]
    (folder / "avif-unknown-property.avif").write_bytes(still(sample, more=rotated, essential=[True, False]))
    (folder / "avif-unknown-essential-property.avif").write_bytes(still(sample, more=rotated, essential=[True, True]))
    profile = box_of(b"colr", b"prof" + bytes(16))
    named = [profile, coding(1, 1, 0)]
    (folder / "avif-profile-and-coding.avif").write_bytes(still(sample, coding=b"", more=named, essential=[False, False]))


def write_metadata(folder):
    """A text that is no XMP, in front of XMP."""
    sample = avif(scene(WIDTH, HEIGHT, seed=44), quality=60)
    shared = [property_of(sample, kind) for kind in (b"ispe", b"av1C", b"colr")]
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
    items = [(b"av01", data_of(sample)), (b"mime\0text/xml", xmp % 3), (b"mime\0application/rdf+xml", xmp % 6)]
    references = [reference(b"cdsc", number, 1) for number in (2, 3)]
    (folder / "avif-text-and-xmp-6.avif").write_bytes(container(items, shared, {1: [1, 2, 3]}, references, 1))


def write_grids(folder):
    gray = [avif(scene(65, 67, seed=49 + index).convert("L"), quality=60, subsampling="4:0:0", range="limited") for index in range(4)]
    (folder / "avif-grid-400-odd.avif").write_bytes(grid(gray, (65, 67), (129, 101)))
    halved = [avif(scene(64, 65, seed=49 + index), quality=60, subsampling="4:2:2") for index in range(4)]
    (folder / "avif-grid-422-odd-height.avif").write_bytes(grid(halved, (64, 65), (100, 99)))
    twice = grid(gray, (65, 67), (129, 101)).replace(struct.pack(">5H", 4, 1, 2, 3, 4), struct.pack(">5H", 4, 1, 2, 3, 3))
    (folder / "avif-grid-of-an-image-twice.avif").write_bytes(twice)
    # Every part has transparency of its own, which changes how libavif rounds gray. Without that of one part it has none.
    alphas = [avif(scene(65, 67, seed=53 + index).convert("L"), quality=60, subsampling="4:0:0") for index in range(4)]
    for count in (3, 4):
        name = f"avif-grid-400-alpha-of-{count}-parts.avif"
        (folder / name).write_bytes(grid_of_alphas(gray, alphas[:count], (65, 67), (129, 101)))


def grid_of_alphas(parts, alphas, part_size, size):
    """A grid whose parts have transparency of their own."""
    shared = [size_property(part_size), size_property(size)]
    shared += [property_of(parts[0], kind) for kind in (b"av1C", b"colr")] + [property_of(alphas[0], b"av1C"), ALPHA]
    items = [(b"av01", data_of(file)) for file in [*parts, *alphas]]
    items.append((b"grid", struct.pack(">BBBBHH", 0, 0, 1, 1, *size)))
    main = len(items)
    used = {number: [1, 3, 4] if number <= 4 else [1, 5, 6] for number in range(1, main)} | {main: [2, 3, 4]}
    references = [reference(b"dimg", main, 1, 2, 3, 4)]
    references += [reference(b"auxl", 4 + number, number) for number in range(1, len(alphas) + 1)]
    return container(items, shared, used, references, main)


def write_sequences(folder):
    """Three frames. A file is a sequence or a still image by its first brand."""
    frames = [scene(48, 33, seed=57 + index) for index in range(3)]
    file = sequence(frames)
    (folder / "avif-sequence.avif").write_bytes(file)
    # The still image and the first frame of the track are told apart by their range.
    place = file.index(b"colrnclx") + 14
    told_apart = file[:place] + b"\0" + file[place + 1 :]
    (folder / "avif-sequence-beside-still.avif").write_bytes(told_apart)
    (folder / "avif-still-beside-sequence.avif").write_bytes(told_apart.replace(b"ftypavis", b"ftypavif"))
    (folder / "avif-still-or-sequence.avif").write_bytes(told_apart.replace(b"ftypavis", b"ftypmsf1"))
    (folder / "avif-sequence-alone.avif").write_bytes(without_still(file))
    (folder / "avif-sequence-cut.avif").write_bytes(without_still(file)[: file.index(b"mdat") + 60])
    # In place of a property that Pillow does not read.
    place = file.index(b"ccst")
    rotated = file[:place] + b"irot\1" + bytes(7) + file[place + 12 :]
    (folder / "avif-sequence-irot.avif").write_bytes(rotated)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    (folder / "avif-sequence-xmp-6.avif").write_bytes(without_still(sequence(frames, xmp=xmp)))
    transparent = [with_alpha(frame) for frame in frames]
    (folder / "avif-sequence-alpha.avif").write_bytes(sequence(transparent))
    (folder / "avif-sequence-multiplied.avif").write_bytes(sequence(transparent, alpha_premultiplied=True))


def without_still(file):
    """A sequence without its still image, and without the brand that asks for one."""
    end = struct.unpack(">I", file[:4])[0]
    return file[:end].replace(b"avif", b"msf1") + file[end:].replace(b"meta", b"free", 1)


def sequence(frames, **options):
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], quality=60, max_threads=1, **options)
    data = bytearray(file.getvalue())
    # The times at which it was written, so that the bytes are the same each time.
    for kind in (b"mvhd", b"tkhd", b"mdhd"):
        place = data.find(kind)
        while place >= 0:
            assert data[place + 4] == 1
            data[place + 8 : place + 24] = bytes(16)
            place = data.find(kind, place + 4)
    return bytes(data)


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
    sides = [size_property(part_size), size_property(size)]
    shared = [property_of(sample, kind) for kind in (b"av1C", b"pixi", b"colr")]
    used = {number: [1, 3, 4, 5] for number in ids} | {main: [2, 4, 5]}
    items = [(b"av01", body) for body in data] + [(b"grid", layout)]
    return container(items, sides + shared, used, [reference(b"dimg", main, *ids)], main)


def still(sample, alpha=None, coding=None, multiplied=False, more=(), essential=()):
    """A file of one image, with the transparency in another file, another coding of its colours and further properties."""
    coding = property_of(sample, b"colr") if coding is None else coding
    first = [property_of(sample, kind) for kind in (b"ispe", b"av1C")] + [coding] * bool(coding)
    shared, used = [*first, *more], {1: list(range(1, len(first) + 1))}
    used[1] += [len(first) + number | 0x80 * flag for number, flag in enumerate(essential, 1)]
    items, references = [(b"av01", data_of(sample))], []
    if alpha:
        used[2] = [1, len(shared) + 1, len(shared) + 2]
        shared += [property_of(alpha, b"av1C"), ALPHA]
        items.append((b"av01", data_of(alpha)))
        references = [reference(b"auxl", 2, 1)] + [reference(b"prem", 1, 2)] * multiplied
    return container(items, shared, used, references, 1)


def coding(matrix, primaries, full_range):
    return box_of(b"colr", b"nclx" + struct.pack(">HHHB", primaries, 13, matrix, full_range << 7))


def container(items, shared, used, references, main):
    """A file of items, which are kinds and data, with numbers from 1. `used` has the numbers of their properties."""
    entries = [full_box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", version=2) for number, (kind, _) in enumerate(items, 1)]
    associations = struct.pack(">I", len(used))
    for number, indices in used.items():
        associations += struct.pack(">HB", number, len(indices)) + bytes(indices)
    properties = box_of(b"ipco", b"".join(shared)) + full_box(b"ipma", associations)
    handler = full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))

    def meta(start):
        places, offset = b"", start
        for number, (_, body) in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, offset, len(body))
            offset += len(body)
        places = full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + places)
        infos = full_box(b"iinf", struct.pack(">H", len(items)) + b"".join(entries))
        parts = [handler, full_box(b"pitm", struct.pack(">H", main)), places, infos, box_of(b"iprp", properties)]
        return full_box(b"meta", b"".join([*parts, full_box(b"iref", b"".join(references))]))

    kind = box_of(b"ftyp", b"avif\0\0\0\0avifmif1miafMA1B")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + box_of(b"mdat", b"".join(body for _, body in items))


def size_property(size):
    return box_of(b"ispe", bytes(4) + struct.pack(">II", *size))


def reference(kind, start, *ends):
    return box_of(kind, struct.pack(f">HH{len(ends)}H", start, len(ends), *ends))


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


ALPHA = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
