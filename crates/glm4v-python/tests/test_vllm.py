"""vLLM's own parser, media classes and connector, and a server that notes what the example sends.

No server of vLLM is started, and no requirements file has vLLM. Where it is not installed, its tests are skipped.
"""

import importlib.metadata
import importlib.util
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import glm4v
import glm4v.vllm
import numpy as np
import pytest
from conftest import IMAGES, ROOT

NAMES = ["rgb-60x83.png", "chelsea.png"]
WIDTH = 256


def test_vllm_finds_the_plugin():
    (entry,) = [
        entry
        for entry in importlib.metadata.distribution("glm4v").entry_points
        if entry.group == "vllm.general_plugins"
    ]
    assert entry.load() is glm4v.vllm.register


def test_the_models_are_changed_when_they_are_imported(monkeypatch, tmp_path):
    package = tmp_path / "vllm/model_executor/models"
    package.mkdir(parents=True)
    for folder in (package, *list(package.parents)[:2]):
        (folder / "__init__.py").touch()
    (package / "qwen2_vl.py").write_text("class Qwen2VLMultiModalDataParser: pass")
    models = """
class MultiModalDataParser: pass
class Glm4vProcessingInfo:
    def get_data_parser(self):
        return MultiModalDataParser()
"""
    (package / "glm4_1v.py").write_text(models)
    loaded = [name for name in sys.modules if name.split(".")[0] == "vllm"]
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(tmp_path)
    glm4v.vllm.register()
    glm4v.vllm.register()
    finders = len(sys.meta_path)
    try:
        module = importlib.import_module("vllm.model_executor.models.glm4_1v")
        assert len(sys.meta_path) == finders - 1
        changed = module.Glm4vProcessingInfo.get_data_parser
        assert changed.__module__ == "glm4v.vllm"
        glm4v.vllm.register()
        assert module.Glm4vProcessingInfo.get_data_parser is changed
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
            del sys.modules[name]


class Server(BaseHTTPRequestHandler):
    """Answers with the number of images."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (message,) = body["messages"]
        images = [part for part in message["content"] if part["type"] == "image_embeds"]
        answer = f"{self.path} {body['model']}: {len(images)} images; {message['content'][-1]['text']}"
        text = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def test_the_example_sends_embeddings(encoder):
    spec = importlib.util.spec_from_file_location("ask_vllm", ROOT / "examples/python/ask_vllm.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        parts = [glm4v.openai_part(item) for item in encoder.encode([IMAGES / name for name in NAMES])]
        answer = example.ask(f"http://127.0.0.1:{server.server_port}/v1", "glm", "What is it?", parts)
    finally:
        server.shutdown()
    assert answer == "/v1/chat/completions glm: 2 images; What is it?"


@pytest.fixture(scope="module")
def info():
    """The processing info of vLLM's GLM-4.1V, without a model, and its parser before the plugin."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    models = pytest.importorskip("vllm.model_executor.models.glm4_1v", reason="vLLM cannot be imported here")
    info = object.__new__(models.Glm4vProcessingInfo)
    vision = SimpleNamespace(spatial_merge_size=2)
    info.ctx = SimpleNamespace(
        model_config=SimpleNamespace(
            get_inputs_embeds_size=lambda: WIDTH, get_multimodal_config=lambda: SimpleNamespace(enable_mm_embeds=True)
        ),
        get_hf_config=lambda: SimpleNamespace(vision_config=vision),
    )
    plain = info.get_data_parser()
    glm4v.vllm.register()
    return info, plain


def received(part):
    """The tensors of a part, as vLLM's server decodes them."""
    from vllm.multimodal.media.image import ImageEmbeddingMediaIO

    tensors = part["image_embeds"].items()
    return {name: ImageEmbeddingMediaIO().load_base64("", value) for name, value in tensors}


def test_parsers_of_vllm_take_our_parts(encoder, info):
    import torch

    info, plain = info
    items = encoder.encode([IMAGES / name for name in NAMES])
    for dtype, tolerance in (("f32", 0), ("f16", 1e-3)):
        parts = [received(glm4v.openai_part(item, dtype=dtype)) for item in items]
        data = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        images = info.get_data_parser().parse_mm_data({"image": data})["image"]
        assert images.get_count() == len(items)
        for index, item in enumerate(items):
            image = images.get(index)
            assert image["image_grid_thw"].flatten().tolist() == list(item.grid_thw)
            assert np.allclose(image["image_embeds"].float().numpy(), item.embeddings, tolerance, tolerance)
    # Without the plugin, vLLM counts the tensors.
    assert plain.parse_mm_data({"image": parts[0]})["image"].get_count() == 2


def test_parsers_of_vllm_refuse_wrong_embeddings(encoder, info):
    import torch

    info, _ = info
    (item,) = encoder.encode([IMAGES / NAMES[0]])
    part = received(glm4v.openai_part(item))
    parse = info.get_data_parser().parse_mm_data
    for wrong in (part["image_embeds"][1:], part["image_embeds"][:, 1:]):
        with pytest.raises(ValueError, match="image_embeds: expected"):
            parse({"image": {**part, "image_embeds": wrong}})
    with pytest.raises(ValueError, match="image_grid_thw"):
        parse({"image": {"image_embeds": part["image_embeds"]}})
    with pytest.raises(ValueError, match="images only"):
        parse({"video": {"video_embeds": part["image_embeds"], "video_grid_thw": part["image_grid_thw"]}})
    pixels = torch.zeros(3, 28, 28, dtype=torch.uint8)
    assert parse({"image": [pixels]})["image"].get_count() == 1


def test_the_connector_of_vllm_loads_our_directory(encoder, monkeypatch, tmp_path):
    """The scheduler's side finds the files, and the worker's side loads them."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    name = "vllm.distributed.ec_transfer.ec_connector.example_connector"
    example = pytest.importorskip(name, reason="vLLM cannot be imported here")
    import torch

    platform = importlib.import_module("vllm.platforms").current_platform
    if not platform.device_type:  # vLLM for CUDA, on a machine without a GPU
        monkeypatch.setattr(platform, "device_type", "cpu")
    items = list(encoder.encode([IMAGES / name for name in NAMES], uuid=True))
    for item in items:
        glm4v.write_vllm_cache(tmp_path, item)
    # The constructor needs the configuration of a whole engine.
    connector = object.__new__(example.ECExampleConnector)
    connector._storage_path = str(tmp_path)
    assert not connector.has_cache_item("another")
    metadata = example.ECExampleConnectorMetadata()
    for item in items:
        assert connector.has_cache_item(item.uuid)
        metadata.add_mm_data(example.MMMeta.make_meta(item.uuid, len(item.embeddings)))
    connector.bind_connector_metadata(metadata)
    loaded = {}
    connector.start_load_caches(loaded)
    assert list(loaded) == [item.uuid for item in items]
    for item in items:
        assert torch.equal(loaded[item.uuid].cpu(), torch.from_numpy(item.embeddings).to(torch.bfloat16))
