"""ONNX Runtime. In 8 bits: its dynamic quantization, with one scale for each out-feature."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import onnxruntime

from processor import has


class Peer:
    def __init__(self, arguments):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        options.inter_op_num_threads = 1
        model = arguments.dir / "model/tower.onnx"
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.versions = {"onnxruntime": onnxruntime.__version__}

    def encode(self, inputs):
        return self.session.run(None, {"rows": inputs["rows"]})[0]


def export(arguments):
    import onnx

    folder = arguments.dir / "model"
    exported = folder / "exported" if arguments.dtype == "int8" else folder
    exported.mkdir(parents=True, exist_ok=True)
    # A process of its own gives its memory back before the quantization, which needs several copies of the tower as well.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(export_f32, arguments, exported / "tower.onnx").result()
    if arguments.dtype == "int8":
        quantize(exported / "tower.onnx", folder / "tower.onnx")
        shutil.rmtree(exported)
    return {"versions": {"onnx": onnx.__version__}}


def export_f32(arguments, file):
    import torch

    from fixed import fixed_tower

    fixed, rows = fixed_tower(arguments)
    names = {"input_names": ["rows"], "output_names": ["embeddings"]}
    torch.onnx.export(fixed, (rows,), file, dynamo=True, external_data=True, **names)


def quantize(exported, quantized):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        exported,
        quantized,
        weight_type=QuantType.QInt8,
        per_channel=True,
        # Without VNNI the sums of two products are saturated to 16 bits, unless the weights have 7 bits.
        reduce_range=not has("avx512_vnni", "avx_vnni"),
        use_external_data_format=True,
        op_types_to_quantize=["MatMul", "Gemm"],
        extra_options={"MatMulConstBOnly": True},
    )
