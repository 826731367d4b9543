"""Writes the seeds that are not already files of the tests: python fuzz/seeds/make.py

Run with ffprobe on PATH. Files of one input are separated as in `parts` of fuzz/src/texts.rs.
"""

import io
import json
import math
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEPARATOR = b"\n\xff\n"
MODELS = ["glm-ocr", "glm46v", "glm5-next", "glmga", "glm4v-moe", "patch14-f32"]


def write(target, name, *parts):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(SEPARATOR.join(parts))


def configs():
    for model in MODELS:
        folder = ROOT / "tests/golden" / model
        texts = [folder / name for name in ["config.json", "preprocessor_config.json", "video_preprocessor_config.json"]]
        config, image, video = [path.read_bytes() if path.exists() else b"" for path in texts]
        write("config", model, config, b"", image, video)
        write("config", f"{model}-video", video)
        nested = json.dumps({"image_processor": json.loads(image), "video_processor": json.loads(video or b"{}")})
        write("config", f"{model}-nested", config, nested.encode())


# The tower of `tiny` in fuzz/src/tower.rs.
TINY = {
    "patch_embed.proj.weight": [4, 3, 1, 1, 1],
    "patch_embed.proj.bias": [4],
    "post_conv_layernorm.weight": [4],
    "embeddings.position_embedding.weight": [4, 4],
    "blocks.0.norm1.weight": [4],
    "blocks.0.attn.qkv.weight": [12, 4],
    "blocks.0.attn.proj.weight": [4, 4],
    "blocks.0.norm2.weight": [4],
    "blocks.0.mlp.gate_proj.weight": [4, 4],
    "blocks.0.mlp.up_proj.weight": [4, 4],
    "blocks.0.mlp.down_proj.weight": [4, 4],
    "post_layernorm.weight": [4],
    "downsample.weight": [4, 4, 2, 2],
    "downsample.bias": [4],
    "merger.proj.weight": [4, 4],
    "merger.post_projection_norm.weight": [4],
    "merger.post_projection_norm.bias": [4],
    "merger.gate_proj.weight": [4, 4],
    "merger.up_proj.weight": [4, 4],
    "merger.down_proj.weight": [4, 4],
}


def header(shapes, dtype, width, other=0):
    entries, position = {"__metadata__": {"format": "pt"}}, other
    if other:
        entries["lm_head.weight"] = {"dtype": "U8", "shape": [other], "data_offsets": [0, other]}
    for key, shape in shapes.items():
        count = 1
        for side in shape:
            count *= side
        entries[f"model.visual.{key}"] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + width * count]}
        position += width * count
    return json.dumps(entries, separators=(",", ":")).encode()


def safetensors():
    keys = list(TINY)
    halves = [{key: TINY[key] for key in keys[start::2]} for start in (0, 1)]
    index = {f"model.visual.{key}": f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(keys)}
    index = json.dumps({"metadata": {}, "weight_map": index}).encode()
    write("safetensors", "two-shards", index, header(halves[0], "F32", 4, 9), header(halves[1], "BF16", 2))
    write("safetensors", "one-shard", index, header(TINY, "F16", 2))
    text = header(TINY, "F32", 4)
    write("safetensors", "file", struct.pack("<Q", len(text)) + text + bytes(64))


def gguf_tensors(projector):
    """The tensors of a tower of one block, by llama.cpp's names."""
    yield from [("v.patch_embd.weight", [4, 3, 1, 1]), ("v.patch_embd.weight.1", [4, 3, 1, 1]), ("v.patch_embd.bias", [4])]
    if projector == "glm4v":
        yield from [("v.norm_embd.weight", [4]), ("v.position_embd.weight", [4, 4])]
    else:
        yield from [("v.blk.0.attn_q_norm.weight", [4]), ("v.blk.0.attn_k_norm.weight", [4])]
    yield from [("v.blk.0.ln1.weight", [4]), ("v.blk.0.attn_qkv.weight", [12, 4]), ("v.blk.0.attn_out.weight", [4, 4]),
                ("v.blk.0.ln2.weight", [4]), ("v.post_ln.weight", [4])]
    yield from [(f"v.blk.0.ffn_{name}.weight", [4, 4]) for name in ["gate", "up", "down"]]
    yield from [("mm.patch_merger.weight", [4, 4, 2, 2]), ("mm.patch_merger.bias", [4]), ("mm.model.fc.weight", [4, 4]),
                ("mm.post_norm.weight", [4]), ("mm.post_norm.bias", [4])]
    yield from [(f"mm.{name}.weight", [4, 4]) for name in ["gate", "up", "down"]]


def gguf():
    def string(text):
        return struct.pack("<Q", len(text)) + text.encode()

    def pair(key, value):
        if isinstance(value, bool):
            return string(key) + struct.pack("<IB", 7, value)
        if isinstance(value, int):
            return string(key) + struct.pack("<II", 4, value)
        if isinstance(value, float):
            return string(key) + struct.pack("<If", 6, value)
        if isinstance(value, str):
            return string(key) + struct.pack("<I", 8) + string(value)
        return string(key) + struct.pack("<IIQ", 9, 6, len(value)) + struct.pack(f"<{len(value)}f", *value)

    def tensor(name, shape, kind, offset):
        sides = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        return string(name) + sides + struct.pack("<IQ", kind, offset)

    for projector in ["glm4v", "glm5v"]:
        vision = {"image_size": 2, "patch_size": 1, "embedding_length": 4, "feed_forward_length": 4, "block_count": 1,
                  "projection_dim": 4, "spatial_merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
                  "attention.head_count": 1, "attention.layer_norm_epsilon": 1e-5}
        if projector == "glm5v":
            vision |= {"swiglu_clamp": 10.0, "image_min_pixels": 16, "image_max_pixels": 8000}
        pairs = {"general.architecture": "clip", "general.type": "mmproj", "general.file_type": 0,
                 "clip.has_vision_encoder": True, "clip.projector_type": projector, "clip.use_silu": True}
        pairs |= {f"clip.vision.{key}": value for key, value in vision.items()}
        # Each tensor has 4 bytes a value, from a multiple of 32 on.
        tensors, place = [], 0
        for name, shape in gguf_tensors(projector):
            tensors.append(tensor(name, shape[::-1], 0, place))
            place += -(-4 * math.prod(shape) // 32) * 32
        head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
        head += b"".join(pair(*item) for item in pairs.items()) + b"".join(tensors)
        head += bytes(-len(head) % 32)
        write("gguf", projector, head + bytes(64))


def probe():
    entries = ("stream=index,codec_type,codec_name,width,height,time_base,r_frame_rate,nb_frames,bit_rate"
               ":stream_disposition=default,hearing_impaired,visual_impaired,attached_pic:stream_side_data=rotation")

    def ffprobe(*args):
        return subprocess.run(["ffprobe", *args], capture_output=True, check=True)

    folder = ROOT / "crates/glm4v-preprocess/tests/media"
    for name in ["b-frames.mp4", "edited.mp4", "rotated.mov", "uneven.mkv"]:
        path = str(folder / name)
        streams = ffprobe("-v", "error", "-show_entries", entries, "-of", "json", path).stdout
        lines = ffprobe("-v", "debug", path).stderr.splitlines(keepends=True)
        messages = b"".join(line for line in lines if b"Stream #" in line)
        packets = ffprobe("-v", "error", "-select_streams", "v", "-show_entries", "packet=pts,dts,duration,flags", "-of",
                          "compact", path).stdout
        times = [line.split(b"pts=")[1].split(b"|")[0] for line in packets.splitlines() if b"pts=" in line]
        frames = b"".join(b"frame:%d    pts:%s    pts_time:0\nglm4v=1\n" % pair for pair in enumerate(times))
        write("probe", name, streams, messages, packets, frames)
        two = json.loads(streams)
        two["streams"] += [{**stream, "index": 1} for stream in two["streams"][:1]]
        write("probe", f"two-{name}", json.dumps(two).encode(), messages, packets, frames)


def lists():
    gif = b"GIF89a\x01\0\x01\0\0\0\0;"
    write("lists", "list", b"\x00data:image/gif;base64,R0lGODlh\nhttp://example.com/a.png?x\ncat.png\n")
    write("lists", "nul", b"\x01data:,GIF89a\0b.png\0")
    rows = [{"path": "a.png", "id": "1"}, {"path": "http://h/b.png", "id": "2"}, {"path": "data:,x", "id": "3"}]
    write("lists", "jsonl", b"\x02" + b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    write("lists", "csv", b'\x03id,path\n1,a.png\n2,"b,c.png"\n3,http://h/d.png\n')
    for path in sorted((ROOT / "crates/glm4v-collect/tests/parquet").glob("*.parquet")):
        write("lists", path.name, b"\x04" + path.read_bytes())
    for name, kind in [("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT), ("ustar", tarfile.USTAR_FORMAT)]:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=kind) as tar:
            for member in ["a.gif", "folder/b.gif", "c" * (200 if name != "ustar" else 9) + ".gif", "note.txt"]:
                info = tarfile.TarInfo(member)
                info.size = len(gif)
                tar.addfile(info, io.BytesIO(gif))
        write("lists", f"{name}.tar", b"\x05" + archive.getvalue().rstrip(b"\0") + bytes(1024))
    write("lists", "data", b"\x06image/gif;base64,R0lGODlhAQABAAAAADs=")
    saved = [{"id": "0", "name": "a.tar/b", "location": {"tar_member": {"archive": "a.tar", "offset": 512, "size": 4}}},
             {"id": "1", "name": "x", "location": {"path": {"bytes": [255, 46]}}},
             {"id": "2", "name": "u", "location": {"url": "http://h/u"}},
             {"id": "3", "name": "f", "location": {"failed": "f: no such file"}}]
    write("lists", "saved", b"\x07" + b"".join(json.dumps(row).encode() + b"\n" for row in saved))


def exif():
    for order, mark in [("<", b"II*\0"), (">", b"MM\0*")]:
        block = mark + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)
        for kind in range(6):
            write("exif", f"{mark[:2].decode()}-{kind}", bytes([kind]) + block)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>'
    write("exif", "xmp", b"\x01" + xmp)


for folder in HERE.iterdir():
    if folder.is_dir():
        shutil.rmtree(folder)
for make in [configs, safetensors, gguf, probe, lists, exif]:
    make()
