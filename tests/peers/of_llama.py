"""llama.cpp: the program that `cargo xtask test-llama` builds. It reads DIR/model/tower.gguf, which `glm4v export` wrote."""

import subprocess

import numpy


class Peer:
    def __init__(self, arguments):
        with numpy.load(arguments.dir / "inputs.npz") as inputs:
            height, width, _ = inputs["pixels"].shape
        self.bytes = (arguments.dir / "expected.f32").stat().st_size
        version = subprocess.run([arguments.llama, "--version"], capture_output=True, text=True, check=True)
        self.versions = {"ggml": version.stdout.strip()}
        command = [arguments.llama, arguments.dir / "model/tower.gguf", width, height, arguments.threads, "flash"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.child = subprocess.Popen([str(word) for word in command], **pipes)
        self.process = self.child.pid

    def encode(self, inputs):
        self.child.stdin.write(numpy.asarray(inputs["pixels"], "<f4").tobytes())
        self.child.stdin.flush()
        values = self.child.stdout.read(self.bytes)
        if len(values) < self.bytes:
            raise ValueError(f"llama.cpp ended after {len(values)} of {self.bytes} bytes: {self.child.wait()}")
        return numpy.frombuffer(values, "<f4")
