"""glm4v in the place of the vision tower of a model of transformers.

    import glm4v.transformers

    model = AutoModelForImageTextToText.from_pretrained("zai-org/GLM-4.1V-9B-Thinking", dtype="bfloat16")
    glm4v.transformers.accelerate(model)
    model.generate(**inputs)
"""

from __future__ import annotations

import glob
import json
import os
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from glm4v import _native, _options
from glm4v._errors import InputError, ModelError

_TOWERS = {
    "Glm4vVisionModel",
    "Glm4vMoeVisionModel",
    "GlmOcrVisionModel",
    "Glm5NextVisionModel",
}
_ENCODINGS = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}


class VisionTower(torch.nn.Module):
    """The vision tower of a model of transformers, computed by glm4v on the CPU.

    It has no parameters and computes no gradients. `dtype` is the type that the model sees: it converts the pixels to this
    type before the call, and the outputs have this type.
    """

    def __init__(self, encoder: _native.Encoder, original: torch.nn.Module, keep: bool) -> None:
        super().__init__()
        self.config = original.config
        self.dtype: torch.dtype = original.dtype
        self.device = torch.device("cpu")
        self.spatial_merge_size: int = original.spatial_merge_size
        self._encoder = encoder
        # In a tuple, so that it is no submodule.
        self._original = (original,) if keep else ()
        self._class = type(original)
        self.eval()

    def forward(self, hidden_states: torch.Tensor, grid_thw: torch.Tensor, **kwargs: Any) -> Any:
        """The outputs of the tower.

        Args:
            hidden_states: `[patches, channels * temporal_patch_size * patch_size**2]`, the pixels.
            grid_thw: `[items, 3]`.
            kwargs: `return_dict` is honoured. Others, such as `output_attentions`, have no effect.

        Returns:
            `BaseModelOutputWithPooling`: `pooler_output` `[tokens, out_hidden_size]` are the embeddings, and
            `last_hidden_state` is the input of the merger.

        Raises:
            RuntimeError: if gradients are needed.
        """
        if hidden_states.requires_grad or (self.training and torch.is_grad_enabled()):
            raise RuntimeError(
                "the vision tower of glm4v computes no gradients: call model.eval(), or restore(model) before training"
            )
        if hidden_states.device.type != "cpu":
            raise InputError(f"the vision tower of glm4v is on the CPU, but the pixels are on {hidden_states.device}")
        pixels = hidden_states.detach().to(torch.float32).contiguous().numpy()
        grids = [tuple(grid) for grid in grid_thw.tolist()]
        embeddings, hidden = self._encoder.encode_pixel_values(pixels, grids, True)
        output = BaseModelOutputWithPooling(
            last_hidden_state=torch.from_numpy(hidden).to(self.dtype),
            pooler_output=torch.from_numpy(embeddings).to(self.dtype),
        )
        return output.to_tuple() if kwargs.get("return_dict") is False else output

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        raise ModelError("the vision tower of glm4v has no parameters to save: call restore(model) first")


def accelerate(model: torch.nn.Module, *, dtype: Any = None, keep: bool = False) -> VisionTower:
    """Replaces the vision tower of `model`, which is on the CPU, by glm4v.

    Args:
        model: A loaded model of the classes Glm4v, Glm4vMoe, Glm46V, GlmOcr or Glm5Next of transformers.
        dtype: The type of the computation: "f32", "bf16" or "f16". The default is the type of the tower.
        keep: Whether the tower of transformers is kept in memory for `restore`. Otherwise its memory is freed, and `restore`
            reads it from the checkpoint again.

    Returns:
        The new tower, which is `model.model.visual` now.

    Raises:
        ModelError: for another model, a tower that is not on the CPU or is quantized, and a configuration that is not
            supported. The model is then unchanged.
    """
    parent = _parent(model)
    tower = parent.visual
    if isinstance(tower, VisionTower):
        return tower
    parent.visual = wrap(tower, dtype=dtype, keep=keep)
    return parent.visual


def wrap(tower: torch.nn.Module, *, dtype: Any = None, keep: bool = False) -> VisionTower:
    """glm4v with the weights of a vision tower of transformers, which is called like that tower and does not change it.

    The arguments and errors are those of `accelerate`.
    """
    if type(tower).__name__ not in _TOWERS:
        raise ModelError(f"{type(tower).__name__} is not supported: expected one of {', '.join(sorted(_TOWERS))}")
    return VisionTower(_load(tower, _options.dtype(dtype or tower.dtype)), tower, keep)


def restore(model: torch.nn.Module) -> torch.nn.Module:
    """Undoes `accelerate`: puts a tower of transformers back, and returns it.

    Raises:
        ModelError: if the tower was not kept and the model was not loaded from a checkpoint.
    """
    parent = _parent(model)
    ours = parent.visual
    if not isinstance(ours, VisionTower):
        return ours
    parent.visual = ours._original[0] if ours._original else _read(model, ours)
    return parent.visual


def _parent(model: torch.nn.Module) -> torch.nn.Module:
    """The module that has the vision tower."""
    for parent in (getattr(model, "model", None), model):
        if isinstance(getattr(parent, "visual", None), torch.nn.Module):
            return parent
    raise ModelError(f"{type(model).__name__} has no vision tower: expected a GLM-V model of transformers")


def _load(tower: torch.nn.Module, dtype: str) -> _native.Encoder:
    config = {**tower.config.to_dict(), "dtype": None}
    loader = _native.Loader(json.dumps(config, default=str), dtype)
    for name, tensor in tower.state_dict().items():
        if tensor.device.type != "cpu":
            raise ModelError(f"the vision tower is on {tensor.device}: only a tower on the CPU can be replaced")
        if tensor.dtype not in _ENCODINGS:
            raise ModelError(f"tensor {name} is {tensor.dtype}: a quantized tower cannot be replaced")
        loader.write(name, _ENCODINGS[tensor.dtype], _bytes(tensor))
    return loader.finish()


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    """The bytes of a tensor, without a copy if it is contiguous."""
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()


def _read(model: torch.nn.Module, ours: VisionTower) -> torch.nn.Module:
    """The tower of the checkpoint that the model was loaded from."""
    from safetensors import safe_open

    directory = _checkpoint(model)
    prefixes = ("model.visual.", "visual.", "model.model.visual.")
    state = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "*.safetensors"))):
        with safe_open(path, "pt") as file:
            for key in file.keys():
                prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), None)
                if prefix is not None:
                    state[key.removeprefix(prefix)] = file.get_tensor(key)
    if not state:
        raise ModelError(f"{directory}: there are no safetensors files with a vision tower, so it cannot be restored")
    tower = ours._class._from_config(ours.config, dtype=ours.dtype)
    tower.load_state_dict(state)
    return tower.eval()


def _checkpoint(model: torch.nn.Module) -> str:
    name = getattr(model, "name_or_path", "")
    if name and os.path.isdir(name):
        return name
    if name:
        from huggingface_hub import snapshot_download

        return snapshot_download(name, allow_patterns=["*.safetensors", "*.json"], local_files_only=True)
    raise ModelError(
        "the tower of transformers was freed, and the model was not loaded from a checkpoint: use accelerate(model, keep=True) "
        "if you want to restore it"
    )
