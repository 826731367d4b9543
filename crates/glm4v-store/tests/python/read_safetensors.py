"""safetensors reads the shards, and their index says which tensor is which."""

import json

import numpy as np

from common import DIR, expected, need, same

torch = need("torch")
load_file = need("safetensors.torch").load_file

for dtype, wanted_type in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)):
    path = DIR / f"safetensors-{dtype}-none"
    tensors, lines = {}, []
    for shard in sorted(path.glob("shard-*.safetensors")):
        tensors |= load_file(shard)
        lines += [json.loads(line) for line in shard.with_suffix(".jsonl").read_text().splitlines()]
    for line, wanted in zip(lines, expected(), strict=True):
        assert (line["input"], line["id"], line.get("error")) == (wanted["number"], wanted["id"], wanted["error"])
        if wanted["encoded"]:
            tensor = tensors.pop(line["tensor"])
            assert tensor.dtype == wanted_type
            # torch rounds to nearest, ties to even.
            rounded = torch.from_numpy(wanted["tokens"]).to(wanted_type).to(torch.float32).numpy()
            assert same(tensor.to(torch.float32).numpy(), rounded), line
            assert line["grid_thw"] == wanted["grid_thw"]
    assert not tensors
print("safetensors with torch", torch.__version__, "and numpy", np.__version__)
