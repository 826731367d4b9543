"""transformers as it is, with SDPA. In 8 bits: torch's dynamic quantization of all linear layers."""

import torch

from reference import embeddings, load_tower, versions


class Peer:
    def __init__(self, arguments):
        torch.set_num_threads(arguments.threads)
        self.dtype = torch.bfloat16 if arguments.dtype == "bf16" else torch.float32
        self.tower = load_tower(arguments.checkpoint, "bf16" if arguments.dtype == "bf16" else "f32")
        if arguments.dtype == "int8":
            if "onednn" in torch.backends.quantized.supported_engines:
                torch.backends.quantized.engine = "onednn"
            torch.ao.quantization.quantize_dynamic(self.tower, {torch.nn.Linear}, torch.qint8, inplace=True)
        self.versions = versions()

    def encode(self, inputs):
        rows, grid = torch.from_numpy(inputs["rows"]), torch.from_numpy(inputs["grid"])
        return embeddings(self.tower, {"pixel_values": rows.to(self.dtype), "grid_thw": grid}).numpy()
