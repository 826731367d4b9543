"""Tensors of torch as inputs, and items as tensors."""

import subprocess
import sys

import glm4v
import numpy as np
import pytest
from conftest import frame

torch = pytest.importorskip("torch", reason="torch is not installed")

PIXELS = frame(0, 84, 56)


def test_tensors_are_inputs(encoder):
    channels_first = torch.from_numpy(PIXELS).permute(2, 0, 1)
    forms = [PIXELS, channels_first, channels_first.contiguous(), torch.from_numpy(PIXELS)]
    items = encoder.encode(forms)
    assert all(np.array_equal(items[0].embeddings, item.embeddings) for item in items)


def test_channels_come_first_if_both_are_possible(encoder):
    tensor = torch.from_numpy(frame(0, 3, 40)).permute(2, 0, 1)
    assert tensor.shape == (3, 3, 40)
    first, second = encoder.encode([tensor, np.moveaxis(tensor.numpy(), 0, -1)])
    assert np.array_equal(first.embeddings, second.embeddings)


def test_videos_are_tensors_with_their_rate(encoder):
    frames = np.stack([frame(index, 60, 80) for index in range(4)])
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2)
    items = encoder.encode([glm4v.Video(video, fps=2) for video in (frames, tensor, list(tensor))])
    assert all(np.array_equal(items[0].embeddings, item.embeddings) for item in items)


def test_other_types_are_refused(encoder):
    (error,) = encoder.encode([torch.rand(3, 8, 8)], errors="return")
    assert "expected uint8 values from 0 to 255, found torch.float32" in str(error)


def test_items_are_tensors_without_a_copy(encoder):
    (item,) = encoder.encode([PIXELS])
    tensor = torch.from_dlpack(item)
    assert tensor.dtype == torch.float32 and tensor.shape == item.embeddings.shape
    tensor[0, 0] = 7
    assert item.embeddings[0, 0] == 7


def test_items_in_bf16_are_tensors_in_bf16():
    import gc

    encoder = glm4v.VisionEncoder.from_pretrained(preset="tiny", dtype="bf16")
    (item,) = encoder.encode([PIXELS])
    expected = torch.from_numpy(item.embeddings).to(torch.bfloat16)
    tensor = torch.from_dlpack(item)
    assert tensor.dtype == torch.bfloat16 and torch.equal(tensor, expected)
    part = torch.from_dlpack(item)[1:, :8]
    # A capsule that nobody takes, and tensors that outlive their item.
    item.__dlpack__()
    del item, encoder
    gc.collect()
    torch.rand(1000, 1000)
    assert torch.equal(part, expected[1:, :8]) and torch.equal(tensor, expected)
    with pytest.raises(BufferError, match="copy"):
        glm4v.Item(*[None] * 11, np.zeros((2, 2), np.float32), dtype="bf16").__dlpack__(copy=False)


def test_types_of_torch_are_types_of_the_encoder():
    assert "bf16" == glm4v.VisionEncoder.from_pretrained(preset="tiny", dtype=torch.bfloat16)._recipe["dtype"]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_workers_of_a_data_loader_preprocess(tmp_path):
    script = tmp_path / "loader.py"
    script.write_text(
        """
import sys
import numpy as np
import torch
import glm4v

encoder = glm4v.VisionEncoder.from_pretrained(preset="tiny")
images = [np.full((56 + 28 * index, 84, 3), index, np.uint8) for index in range(8)]
expected = [encoder.processor(images=image)["pixel_values"] for image in images]

class Images(torch.utils.data.Dataset):
    def __len__(self):
        return len(images)
    def __getitem__(self, index):
        return encoder.processor(images=images[index])["pixel_values"]

loader = torch.utils.data.DataLoader(
    Images(), batch_size=None, num_workers=2, multiprocessing_context="fork", collate_fn=lambda rows: rows
)
assert all(np.array_equal(rows, other) for rows, other in zip(loader, expected, strict=True))
"""
    )
    subprocess.run([sys.executable, script], check=True, timeout=120)
