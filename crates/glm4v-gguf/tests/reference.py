"""The Python package gguf, beside the crate: `write DIR` makes a file, `read FILE` prints one."""

import sys
from pathlib import Path

import gguf
import numpy as np

FORMATS = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}
SHAPE = (37, 3, 96)


def values() -> np.ndarray:
    """Blocks of many magnitudes, with zeros, halves, ties and scales below the smallest 16-bit float among them."""
    random = np.random.default_rng(7)
    scale = np.exp2(random.integers(-20, 12, size=(*SHAPE[:2], 3, 1)))
    blocks = random.standard_normal((*SHAPE[:2], 3, 32)) * scale
    blocks[0, 0, 0] = 0.0
    # The scale is exactly 1, so that the values are rounded as they are.
    blocks[0, 0, 1] = np.arange(32) / 2 - 8
    blocks[0, 0, 1, 0] = -127
    blocks[0, 0, 2] = 1e-35 * np.arange(32)
    blocks[0, 1, 0] = 1 + np.exp2(-9.0) * np.arange(32)
    blocks[0, 1, 1] = 1 + np.exp2(-12.0) * np.arange(32)
    blocks[0, 1, 2] = -0.0
    return blocks.reshape(SHAPE).astype(np.float32)


def write(folder: Path) -> None:
    data = values()
    data.tofile(folder / "values.f32")
    writer = gguf.GGUFWriter(folder / "file.gguf", "clip")
    writer.add_uint8("uint8", 200)
    writer.add_int8("int8", -100)
    writer.add_uint16("uint16", 60000)
    writer.add_int16("int16", -30000)
    writer.add_uint32("uint32", 4000000000)
    writer.add_int32("int32", -2000000000)
    writer.add_float32("float32", 0.1)
    writer.add_bool("bool", True)
    writer.add_string("string", "ä b")
    writer.add_uint64("uint64", 2**64 - 1)
    writer.add_int64("int64", -(2**63))
    writer.add_float64("float64", 0.1)
    writer.add_array("floats", [0.5, -0.25])
    writer.add_array("integers", [1, -2, 3])
    writer.add_array("strings", ["a", "", "ü"])
    writer.add_array("bools", [True, False])
    writer.add_vision_image_mean([0.5, 0.25, 0.125])
    for name, kind in FORMATS.items():
        blocks = gguf.quants.quantize(data, kind)
        writer.add_tensor(name, blocks, raw_dtype=kind)
        gguf.quants.dequantize(blocks, kind).tofile(folder / f"{name}.f32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(file: Path) -> None:
    reader = gguf.GGUFReader(file)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            print("field", key, repr(field.contents()), sep="\t")
    for tensor in reader.tensors:
        found = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape = [int(side) for side in reversed(tensor.shape)]
        print("tensor", tensor.name, tensor.tensor_type.name, shape, found.tobytes().hex(), sep="\t")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
