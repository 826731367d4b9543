"""OpenVINO. In 8 bits: weights and activations are quantized by NNCF, which is calibrated with another photo."""

import numpy
import openvino


class Peer:
    def __init__(self, arguments):
        options = {
            "INFERENCE_NUM_THREADS": arguments.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        # In 8 bits OpenVINO chooses the type of everything else.
        if arguments.dtype != "int8":
            options["INFERENCE_PRECISION_HINT"] = arguments.dtype
        compiled = openvino.Core().compile_model(arguments.dir / "model/tower.xml", "CPU", options)
        precision = compiled.get_property("INFERENCE_PRECISION_HINT")
        if arguments.dtype == "bf16" and precision != openvino.Type.bf16:
            raise ValueError(f"asked for bf16, OpenVINO computes in {precision.to_string()} on this processor")
        self.request = compiled.create_infer_request()
        self.versions = {"openvino": openvino.__version__.split("-")[0]}

    def encode(self, inputs):
        self.request.infer([inputs["rows"]])
        return self.request.get_output_tensor(0).data


def export(arguments):
    from fixed import fixed_tower

    fixed, rows = fixed_tower(arguments)
    model = openvino.convert_model(fixed, example_input=rows, input=[(list(rows.shape), openvino.Type.f32)])
    del fixed
    versions = {}
    if arguments.dtype == "int8":
        model, versions = quantized(model, arguments.dir)
    openvino.save_model(model, arguments.dir / "model/tower.xml", compress_to_fp16=False)
    return {"versions": versions}


def quantized(model, folder):
    import nncf

    with numpy.load(folder / "inputs.npz") as inputs:
        views = list(inputs["calibration"])
    calibration, kind = nncf.Dataset(views), nncf.ModelType.TRANSFORMER
    model = nncf.quantize(model, calibration, model_type=kind, subset_size=len(views))
    return model, {"nncf": nncf.__version__}
