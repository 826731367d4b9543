"""transformers through torch.compile, for one image size and with frozen weights: the fastest form that torch has."""

import os
import shutil

import torch

from fixed import fixed_tower
from processor import has
from reference import versions


class Peer:
    def __init__(self, arguments):
        if arguments.dtype == "bf16" and not has("avx512_bf16", "amx_bf16"):
            raise ValueError("this processor has no products of bf16, so the compiled program would take minutes")
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            raise ValueError(f"torch.compile needs a C++ compiler, and there is no {compiler}; CXX names another")
        torch.set_num_threads(arguments.threads)
        torch._inductor.config.freezing = True
        fixed, _ = fixed_tower(arguments, arguments.dtype)
        self.dtype = fixed.positions.dtype
        self.tower = torch.compile(fixed)
        self.versions = versions()

    @torch.no_grad()
    def encode(self, inputs):
        return self.tower(torch.from_numpy(inputs["rows"]).to(self.dtype)).float().numpy()
