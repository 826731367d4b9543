"""The GLM-V vision encoder: images and videos to the embeddings that GLM-V language models read.

    import glm4v

    encoder = glm4v.VisionEncoder.from_pretrained("zai-org/GLM-4.1V-9B-Thinking", dtype="bf16")
    for item in encoder.encode(["cat.jpg", pil_image, numpy_array, "walk.mp4", jpeg_bytes]):
        item.embeddings  # float32 numpy array [tokens, 4096]

Integrations are modules of their own: `glm4v.transformers`, `glm4v.ray`, `glm4v.daft` and `glm4v.vllm`. `python -m glm4v.bench`
compares the speed with that of transformers.
"""

from glm4v._encoder import Item, Plan, VisionEncoder
from glm4v._errors import DeviceError, Error, HubError, InputError, MemoryLimitError, ModelError, StoreError
from glm4v._files import openai_part, write_parquet, write_vllm_cache
from glm4v._inputs import Video
from glm4v._native import __version__, num_threads, set_num_threads
from glm4v._processor import Processor
from glm4v._prompt import PLACEHOLDER, scatter

__all__ = [
    "PLACEHOLDER",
    "DeviceError",
    "Error",
    "HubError",
    "InputError",
    "Item",
    "MemoryLimitError",
    "ModelError",
    "Plan",
    "Processor",
    "StoreError",
    "Video",
    "VisionEncoder",
    "__version__",
    "num_threads",
    "openai_part",
    "scatter",
    "set_num_threads",
    "write_parquet",
    "write_vllm_cache",
]
