"""A plugin of vLLM: its GLM-V models take the embeddings of `glm4v.openai_part`.

vLLM finds it by its entry point `vllm.general_plugins`, so nothing has to be called. The server needs its own option for
embeddings:

        pip install glm4v-*.whl                                     # docs/python.md says how to build the wheel
    vllm serve zai-org/GLM-4.1V-9B-Thinking --enable-mm-embeds

The GLM-V models of vLLM 0.33 can compute with given embeddings, but their parser takes the two tensors of an image for two
images. The plugin gives them the parser of Qwen2-VL, whose inputs have the same form. `VLLM_PLUGINS` can leave the plugin out.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

_MODEL = "vllm.model_executor.models.glm4_1v"
"""The module of all GLM-V models: GLM-OCR and GLM-5.3 use its classes."""


def register() -> None:
    """Lets the GLM-V models of vLLM take embeddings of images. vLLM calls this in each of its processes.

    The models are changed when vLLM imports them: importing them here could start a GPU in the wrong process.
    """
    module = sys.modules.get(_MODEL)
    if module is not None:
        _patch(module)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Changes the module of the models as soon as it is imported."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        if name != _MODEL:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            _patch(module)

        spec.loader.exec_module = execute_and_patch
        return spec


def _patch(module: ModuleType) -> None:
    info = module.Glm4vProcessingInfo
    # Other versions of vLLM may have another parser, which takes embeddings already.
    if "MultiModalDataParser" not in info.get_data_parser.__code__.co_names:
        return
    parser = _parser()

    def get_data_parser(self: Any) -> Any:
        return parser(
            self.get_hf_config().vision_config.spatial_merge_size,
            video_needs_metadata=True,
            expected_hidden_size=self._get_expected_hidden_size(),
        )

    info.get_data_parser = get_data_parser


def _parser() -> type:
    from vllm.model_executor.models.qwen2_vl import Qwen2VLMultiModalDataParser

    class Glm4vDataParser(Qwen2VLMultiModalDataParser):
        """Takes `{"image_embeds": [tokens, hidden_size], "image_grid_thw": [images, 3]}` in the place of images."""

        def _parse_image_data(self, data: Any) -> Any:
            items = super()._parse_image_data(data)
            if isinstance(data, dict):
                self._check(data["image_embeds"], data["image_grid_thw"])
            return items

        def _parse_video_data(self, data: Any) -> Any:
            if isinstance(data, dict):
                raise ValueError("the GLM-V models of vLLM take embeddings of images only, and not of videos")
            return super()._parse_video_data(data)

        def _check(self, embeddings: Any, grid: Any) -> None:
            tokens = int(grid.prod(-1).sum()) // self._spatial_merge_size**2
            found = list(getattr(embeddings, "shape", [0]))
            expected = [tokens, self.expected_hidden_size or found[-1]]
            if found != expected:
                raise ValueError(
                    f"image_embeds: expected {expected} for image_grid_thw {grid.tolist()}, found {found}"
                )

    return Glm4vDataParser
