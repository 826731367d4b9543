"""Other programs that run a checkpoint's tower on the CPU, for `cargo xtask bench --peers`.

    peers.py [--threads N] prepare CHECKPOINT IMAGE CALIBRATION DIR
        Runs transformers in f32 on the image. DIR gets its patch rows and grid, its normalised pixels, the patch rows of
        views of the photo CALIBRATION in the same size, and the embeddings: inputs.npz and expected.f32.
    peers.py [--threads N] export PROGRAM DTYPE CHECKPOINT DIR
        Writes the tower into DIR/model in the form that the program reads. It is made for the image of DIR.
    peers.py [--threads N] serve PROGRAM DTYPE CHECKPOINT DIR [--llama FILE]
        A side of the bench. Its input is the image of DIR.

Each command prints lines of JSON. After a failure the last line has the field `error`. A program whose package is missing
fails alone, because each is a process of its own.
"""

import argparse
import importlib
import os
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "golden"))

import numpy

from side import Answers, forget_peak, peak_mib, serve

# The modules with the programs.
PROGRAMS = {
    "transformers": "of_transformers",
    "compiled": "of_compiled",
    "onnxruntime": "of_onnxruntime",
    "openvino": "of_openvino",
    "llama": "of_llama",
}


def main():
    arguments = parse()
    answers = Answers()
    try:
        run(arguments, answers)
    except Exception as error:
        traceback.print_exc()
        answers.say({"error": reason(error)})
        raise SystemExit(1) from error


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare")
    prepare.add_argument("checkpoint", type=Path)
    prepare.add_argument("image", type=Path)
    prepare.add_argument("calibration", type=Path)
    prepare.add_argument("dir", type=Path)
    for name in ("export", "serve"):
        command = commands.add_parser(name)
        command.add_argument("program", choices=list(PROGRAMS))
        command.add_argument("dtype", choices=["f32", "bf16", "int8"])
        command.add_argument("checkpoint", type=Path)
        command.add_argument("dir", type=Path)
    commands.choices["serve"].add_argument("--llama", type=Path, help="the program of cargo xtask test-llama")
    return parser.parse_args()


def run(arguments, answers):
    if arguments.command == "prepare":
        from prepare import prepare

        answers.say(prepare(arguments))
        return
    program = importlib.import_module(PROGRAMS[arguments.program])
    if arguments.command == "export":
        answers.say(program.export(arguments))
    else:
        serve(answers, lambda: Side(program.Peer(arguments), arguments.dir))


def reason(error):
    """One line: the first of the message, without the indentation of libraries."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class Side:
    """What the bench asks of every program. A peer has `versions`, `encode(inputs)` and perhaps a `process` of its own."""

    def __init__(self, peer, folder):
        self.peer = peer
        self.folder = folder
        self.process = getattr(peer, "process", "self")

    def greeting(self):
        return {"versions": self.peer.versions}

    def input(self, _files):
        """Reads the image that the tower was exported for, and resets the peak of memory."""
        forget_peak(self.process)
        with numpy.load(self.folder / "inputs.npz") as inputs:
            self.inputs = {name: inputs[name] for name in ("rows", "grid", "pixels")}
        return {"patches": len(self.inputs["rows"])}

    def encode(self):
        """From patch rows (llama.cpp: pixels) to embeddings on the host."""
        self.embeddings = self.peer.encode(self.inputs)

    def save(self, path):
        """Writes the embeddings as f32, row by row."""
        numpy.asarray(self.embeddings, "<f4").tofile(path)

    def peak(self):
        return {"mib": peak_mib(self.process)}


if __name__ == "__main__":
    main()
