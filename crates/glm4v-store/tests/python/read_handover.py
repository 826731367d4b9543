"""NumPy reads the arrays of a content part without pickle, as a server does. safetensors reads vLLM's cache file."""

import base64
import io
import json

import numpy as np

from common import DIR, need

torch = need("torch")
load_file = need("safetensors.torch").load_file

tokens = np.arange(12, dtype=np.float32).reshape(3, 4) / 4


def load(text):
    return np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False)


for part, dtype in zip(json.loads((DIR / "parts.json").read_text()), (np.float32, np.float16), strict=True):
    assert (part["type"], part["uuid"]) == ("image_embeds", "cat")
    embeds = load(part["image_embeds"]["image_embeds"])
    assert embeds.dtype == dtype and np.array_equal(embeds, tokens.astype(dtype)), embeds
    grid = load(part["image_embeds"]["image_grid_thw"])
    assert grid.dtype == np.int64 and grid.tolist() == [[1, 2, 6]], grid

cache = load_file(DIR / "cat" / "encoder_cache.safetensors")
assert list(cache) == ["ec_cache"]
assert cache["ec_cache"].dtype == torch.bfloat16
assert torch.equal(cache["ec_cache"], torch.from_numpy(tokens).to(torch.bfloat16))
print("numpy", np.__version__)
