"""The reference's side of `cargo xtask bench`. It reads requests from standard input, one line of JSON each, and answers each
with its time. tests/src/bin/bench.rs answers the same requests."""

from pathlib import Path

import torch
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor

from batch import preprocess
from clips import Clip
from reference import embeddings, load_input, load_tower, to_device, versions
from side import Answers, forget_peak, peak_mib
from side import serve as answer_requests


def serve(arguments):
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    answer_requests(Answers(), lambda: Side(arguments))


class Side:
    def __init__(self, arguments):
        self.checkpoint = arguments.checkpoint
        self.processor = Glm4vImageProcessor.from_pretrained(arguments.checkpoint)
        self.device = torch.device(arguments.device)
        self.on_gpu = self.device.type == "cuda"
        self.tower = load_tower(arguments.checkpoint, arguments.dtype).to(self.device)
        self.compiled = arguments.compile
        if self.compiled:
            self.tower = torch.compile(self.tower)

    def greeting(self):
        return {"device": self.description(), "versions": versions()}

    def description(self):
        part = f"{self.device} ({torch.cuda.get_device_name(self.device)})" if self.on_gpu else str(self.device)
        return f"{part}, SDPA, torch.compile" if self.compiled else f"{part}, SDPA"

    def input(self, files):
        """Sets the files of the requests that follow, and resets the peaks of memory."""
        forget_peak()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self.files = [Path(path) for path in files]
        return self.preprocess()

    def preprocess(self):
        """Makes patch rows of files. Images are read as in the processor's documentation."""
        loaded = [load_input(path) for path in self.files]
        if any(isinstance(entry, Clip) for entry in loaded):
            self.inputs = preprocess(self.checkpoint, loaded)
        else:
            output = self.processor(images=loaded, return_tensors="pt")
            self.inputs = {"pixel_values": output["pixel_values"], "grid_thw": output["image_grid_thw"]}
        return {"patches": len(self.inputs["pixel_values"])}

    def encode(self):
        """From patch rows to embeddings on the host."""
        embeddings(self.tower, to_device(self.inputs, self.device))

    def peak(self):
        """Of the process, and what torch took of the GPU, its free blocks included: as burn counts on our side."""
        gpu = torch.cuda.max_memory_reserved(self.device) / 2**20 if self.on_gpu else None
        return {"mib": peak_mib(), "gpu_mib": gpu}
