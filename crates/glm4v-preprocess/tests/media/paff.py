"""Writes H.264 whose frames are coded as two fields (PAFF), as broadcasters do. x264 cannot write it.

Every macroblock has its pixels as they are (I_PCM). Each third frame is coded as a whole.
"""

import io
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT, FRAMES = 16, 32, 56
FIELD_RATE = 50
# A group of frames, in the order of decoding. Those in between are shown before the frame that comes before them.
GROUP = [0, 2, 1, 4, 3, 6, 5, 7]
BETWEEN = {1, 3, 5}
SLICE, IDR_SLICE, SPS, PPS = 1, 5, 7, 8


class Bits:
    def __init__(self):
        self.bits = []

    def u(self, width, *values):
        for value in values:
            self.bits += [value >> place & 1 for place in reversed(range(width))]

    def ue(self, *values):
        """Exp-Golomb codes."""
        for value in values:
            self.u(2 * (value + 1).bit_length() - 1, value + 1)

    def raw(self, data):
        self.bits += [0] * (-len(self.bits) % 8)
        self.bits += np.unpackbits(np.frombuffer(data, np.uint8)).tolist()

    def unit(self, kind, priority=3):
        """A NAL unit. Three bytes that would look like the begin of another unit get a 3 between them."""
        bits = [*self.bits, 1]
        escaped, zeros = bytearray(), 0
        for byte in np.packbits(bits).tobytes():
            if zeros == 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([priority << 5 | kind]) + bytes(escaped)


def parameters():
    sequence = Bits()
    sequence.u(8, 77, 0, 30)  # main profile, level 3
    sequence.ue(0, 0, 0, 4, 2)  # id, 4 bits of frame number, times in 8 bits, two reference frames
    sequence.u(1, 0)
    sequence.ue(WIDTH // 16 - 1, HEIGHT // 32 - 1)
    sequence.u(1, 0, 0, 1, 0)  # fields are allowed, but not in single macroblocks; no cropping
    sequence.u(1, 1, 0, 0, 0, 0, 1)  # VUI with times
    sequence.u(32, 1, FIELD_RATE)
    sequence.u(1, 1, 0, 0, 0, 1, 1)
    sequence.ue(0, 0, 10, 10, 1, 2)  # one frame is reordered
    picture = Bits()
    picture.ue(0, 0)
    picture.u(1, 0, 0)
    picture.ue(0, 0, 0)
    picture.u(1, 0)
    picture.u(2, 0)
    picture.ue(0, 0, 0)
    picture.u(1, 1, 0, 0)
    return sequence.unit(SPS) + picture.unit(PPS)


def pixels(number):
    """Brightness, and one color in the whole frame: decoders differ in the colors between fields."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return 20 + (5 * x + 11 * y + 37 * number) % 200, (90 + 9 * number % 70, 160 - 7 * number % 60)


def coded(number, place, frame_number, group):
    """The one or two pictures of a frame."""
    brightness, colors = pixels(number)
    fields = [None] if number % 3 == 2 else [0, 1]
    return [picture(brightness, colors, field, place, frame_number, group) for field in fields]


def picture(brightness, colors, field, place, frame_number, group):
    is_first, is_reference = place == 0 and field != 1, place not in BETWEEN
    bits = Bits()
    bits.ue(0, 7, 0)
    bits.u(4, frame_number)
    bits.u(1, *([0] if field is None else [1, field]))
    if is_first:
        bits.ue(group % 2)
    bits.u(8, 2 * place + (field or 0))
    if is_reference:
        bits.u(1, *([0, 0] if is_first else [0]))
    bits.ue(0, 1)
    rows = brightness if field is None else brightness[field::2]
    for y in range(0, len(rows), 16):
        for x in range(0, WIDTH, 16):
            bits.ue(25)
            block = rows[y : y + 16, x : x + 16].astype(np.uint8).tobytes()
            bits.raw(block + bytes([colors[0]]) * 64 + bytes([colors[1]]) * 64)
    return bits.unit(IDR_SLICE if is_first else SLICE, 3 if is_reference else 0)


def frames():
    """The number of each frame and its pictures, in the order of decoding."""
    for group in range(FRAMES // len(GROUP)):
        references = 0
        for place in GROUP:
            number = group * len(GROUP) + place
            pictures = coded(number, place, references % 16, group)
            if place == 0:
                pictures[0] = parameters() + pictures[0]
            references += place not in BETWEEN
            yield number, pictures


def write_paff(path, *, fields):
    """A video in which each packet has a frame, or with `fields` a picture."""
    coded_frames = list(frames())
    stream = b"".join(b"".join(pictures) for _, pictures in coded_frames)
    options = {"fflags": "+bitexact"}
    with av.open(io.BytesIO(stream), format="h264") as source, av.open(str(path), "w", options=options) as target:
        track = target.add_stream_from_template(source.streams.video[0])
        for turn, (number, pictures) in enumerate(coded_frames):
            packets = pictures if fields else [b"".join(pictures)]
            for index, data in enumerate(packets):
                packet = av.Packet(data)
                packet.stream, packet.time_base = track, Fraction(1, FIELD_RATE)
                # A frame is shown one frame after it is decoded, or later.
                packet.pts, packet.dts = 2 * number + 2 + index, 2 * turn + index
                packet.duration = 2 // len(packets)
                packet.is_keyframe = number % len(GROUP) == 0 and index == 0
                target.mux(packet)
