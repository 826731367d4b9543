"""The encoder: options, extra outputs, errors."""

import inspect
import pickle
import subprocess
import sys

import glm4v
import numpy as np
import pytest
from conftest import GOLDEN, IMAGES, difference, frame, read_safetensors

PIXELS = frame(0, 84, 56)


def test_types_have_their_names():
    for name in ("bf16", "bfloat16", "torch.bfloat16"):
        encoder = glm4v.VisionEncoder.from_pretrained(preset="tiny", dtype=name)
        (item,) = encoder.encode([PIXELS])
    (exact,) = glm4v.VisionEncoder.from_pretrained(preset="tiny").encode([PIXELS])
    assert 1e-5 < difference(item.embeddings, exact.embeddings) < 3e-2
    assert item.embeddings.dtype == np.float32


def test_random_weights_depend_on_the_seed():
    first, again, other = (
        glm4v.VisionEncoder.from_pretrained(preset="tiny", seed=seed).encode([PIXELS])[0].embeddings for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_limits_of_the_size_are_applied():
    def tokens(**limits):
        (item,) = glm4v.VisionEncoder.from_pretrained(preset="tiny", **limits).encode([IMAGES / "chelsea.png"])
        return len(item.embeddings)

    assert tokens(max_tokens=30) <= 30 < tokens() < 500 <= tokens(min_tokens=500)
    assert tokens(max_pixels=2 * 28 * 28 * 30) <= 30
    with pytest.raises(glm4v.InputError, match="exclude each other"):
        tokens(max_tokens=30, max_pixels=30)
    with pytest.raises(glm4v.InputError, match="maximum size"):
        tokens(min_tokens=9, max_tokens=8)


def test_packed_weights_are_kept_only_if_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GLM4V_CACHE", str(tmp_path / "user"))
    load = glm4v.VisionEncoder.from_pretrained
    model = GOLDEN / "patch14-f32"
    assert load(model).packing is None
    for cache in (tmp_path / "own", str(tmp_path / "own"), True):
        # So small a tower is packed in a moment.
        encoder = load(model, packed_cache=cache)
        assert encoder.packing == "packed weights are not stored: the tower is small"
        again = pickle.loads(pickle.dumps(encoder))
        assert again.packing == encoder.packing
    assert not list(tmp_path.iterdir())


def test_models_that_are_refused_say_why(tmp_path, monkeypatch):
    load = glm4v.VisionEncoder.from_pretrained
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("GLM4V_CACHE", str(tmp_path / "glm4v"))
    for arguments, kind, message in [
        ({}, glm4v.InputError, "either a model"),
        ({"model": "a/b", "preset": "tiny"}, glm4v.InputError, "either a model"),
        ({"preset": "huge"}, glm4v.ModelError, "`huge`"),
        ({"model": "no-such-directory"}, glm4v.ModelError, "no such checkpoint directory"),
        ({"model": tmp_path}, glm4v.ModelError, "config.json"),
        ({"model": "zai-org/no-such-model", "offline": True}, glm4v.HubError, "is not cached"),
        ({"preset": "tiny", "dtype": "int4"}, glm4v.InputError, "dtype: expected f32, f16, bf16 or int8, found int4"),
        ({"preset": "tiny", "device": "tpu"}, glm4v.DeviceError, "`tpu` is no device"),
        ({"preset": "tiny", "device": "cuda"}, glm4v.DeviceError, "not built in"),
        ({"preset": "tiny", "max_memory": 1000}, glm4v.MemoryLimitError, "needs at least"),
        ({"preset": "tiny", "num_threads": 0}, glm4v.InputError, "at least 1"),
    ]:
        with pytest.raises(kind, match=message):
            load(**arguments)
    with pytest.raises(MemoryError):
        load(preset="tiny", max_memory=1000)
    with pytest.raises(OSError):
        load("zai-org/no-such-model", offline=True)
    with pytest.raises(glm4v.ModelError, match="no such checkpoint directory"):
        glm4v.Processor.from_pretrained("no-such-directory")


def test_a_revision_of_a_directory_has_no_effect():
    model = GOLDEN / "patch14-f32"
    for load in (glm4v.VisionEncoder.from_pretrained, glm4v.Processor.from_pretrained):
        with pytest.warns(UserWarning, match="is on this machine, so revision=\"v2\" has no effect") as caught:
            load(model, revision="v2")
        assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_path_that_cannot_be_looked_up_is_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zai-org").symlink_to("zai-org")
    for load in (glm4v.VisionEncoder.from_pretrained, glm4v.Processor.from_pretrained):
        with pytest.raises(glm4v.ModelError, match="^zai-org/model: "):
            load("zai-org/model", offline=True)


def test_an_input_beyond_the_memory_limit_is_refused():
    encoder = glm4v.VisionEncoder.from_pretrained(preset="tiny", max_memory=100 << 20)
    (error,) = encoder.encode([np.zeros((2800, 2800, 3), np.uint8)], errors="return")
    assert isinstance(error, glm4v.MemoryLimitError)
    assert (error.index, error.name) == (0, "image 0")
    with pytest.raises(glm4v.MemoryLimitError):
        encoder.plan([(2800, 2800)])


def test_plans_need_no_pixels(encoder):
    inputs = [IMAGES / "chelsea.png", (1080, 1920), glm4v.Video([PIXELS] * 4, fps=2), PIXELS]
    plan = encoder.plan(inputs)
    assert plan.inputs == 4
    items = encoder.encode([inputs[0], *inputs[2:]])
    grid = encoder.processor(images=[np.zeros((1080, 1920, 3), np.uint8)])["image_grid_thw"]
    assert plan.patches == sum(int(np.prod(item.grid_thw)) for item in items) + int(grid.prod())
    assert plan.tokens * 4 == plan.patches
    assert plan.host > plan.weights > 0 and plan.device is None
    assert encoder.plan([]).tokens == 0
    with pytest.raises(glm4v.InputError, match="no-such.png"):
        encoder.plan([IMAGES / "no-such.png"])
    for size in ((1, 1000), object()):
        with pytest.raises(glm4v.InputError) as caught:
            encoder.plan([(336, 336), PIXELS, size, PIXELS, (1, 1000)])
        assert caught.value.index == 2
        assert caught.value.name in str(caught.value)
    assert caught.value.name == "input 2"
    with pytest.raises(glm4v.InputError, match="1000x1: .* more than 200 times"):
        encoder.plan([(1, 1000)])


@pytest.mark.parametrize("case", ["pictures-and-clips", "glm-ocr-clip"])
def test_extra_outputs_equal_the_goldens(case):
    encoder = glm4v.VisionEncoder.from_pretrained(GOLDEN / case)
    stages = read_safetensors(GOLDEN / case / "expected.safetensors")
    image = next(path for path in [IMAGES / "rgb-90x62.png", IMAGES / "rgb-200x44.png"])
    (state,) = encoder.hidden_states(image, [0])
    t, h, w, width = state.shape
    assert (t, width) == (1, encoder.config["hidden_size"])
    # Rows are in merge-block order.
    blocks = state.reshape(t, h // 2, 2, w // 2, 2, width).transpose(0, 1, 3, 2, 4, 5).reshape(-1, width)
    if case == "pictures-and-clips":
        assert difference(blocks, stages["blocks.0"][: len(blocks)]) < 5e-6
    attention = encoder.attention(image, 0, y=1, x=2)
    assert attention.shape == (encoder.config["num_heads"], h, w)
    assert np.allclose(attention.sum((1, 2)), 1, atol=1e-5)


def test_extra_outputs_refuse_what_does_not_exist(encoder):
    with pytest.raises(glm4v.InputError, match="block 9 does not exist"):
        encoder.hidden_states(PIXELS, [9])
    with pytest.raises(glm4v.InputError, match="row of patches 99 does not exist"):
        encoder.attention(PIXELS, 0, y=99, x=0)
    with pytest.raises(glm4v.InputError, match="NoneType"):
        encoder.hidden_states(None, [0])


def test_viz_draws_over_the_input(encoder, tmp_path):
    from PIL import Image

    drawing = encoder.viz(IMAGES / "chelsea.png")
    output = tmp_path / "viz.png"
    command = ["viz", str(IMAGES / "chelsea.png"), "--preset", "tiny", "-o", str(output)]
    subprocess.run([sys.executable, "-m", "glm4v", *command], check=True, capture_output=True)
    assert np.array_equal(np.asarray(drawing), np.asarray(Image.open(output)))
    sheet = encoder.viz(glm4v.Video([PIXELS] * 8, fps=2), block=0, opacity=1)
    assert sheet.width > 56
    with pytest.raises(glm4v.InputError, match="at least 3 tokens"):
        glm4v.VisionEncoder.from_pretrained(preset="tiny", max_tokens=2).viz(PIXELS)


def test_prompts_have_one_placeholder_a_token(encoder):
    image, video = encoder.encode([PIXELS, glm4v.Video([PIXELS] * 4, fps=2)])
    prompt = encoder.prompt(image)
    assert prompt.startswith("<|begin_of_image|><|image|>")
    assert prompt.count(glm4v.PLACEHOLDER) == len(image.embeddings)
    prompt = encoder.prompt(video)
    assert prompt.startswith("<|begin_of_video|><|begin_of_image|>")
    assert prompt.endswith("<|end_of_image|>1<|end_of_video|>")
    assert prompt.count(glm4v.PLACEHOLDER) == len(video.embeddings)


def test_scatter_fills_the_placeholders():
    text, ids = np.zeros((2, 4, 3), np.float32), np.array([[5, 9, 9, 5], [9, 5, 5, 5]])
    rows = np.arange(9, dtype=np.float32).reshape(3, 3)
    merged = glm4v.scatter(text, ids, rows, 9)
    expected = text.copy()
    expected[ids == 9] = rows
    assert np.array_equal(merged, expected) and not text.any()
    with pytest.raises(glm4v.InputError, match="3 placeholders \\(token 9\\), but there are 2 embeddings"):
        glm4v.scatter(text, ids, rows[:2], 9)
    with pytest.raises(glm4v.InputError, match="expected shape \\[tokens, 3\\]"):
        glm4v.scatter(text, ids, rows[:, :2], 9)


def test_items_share_their_memory(encoder):
    (item,) = encoder.encode([PIXELS])
    shared = np.from_dlpack(item)
    shared[0, 0] = 7
    assert item.embeddings[0, 0] == 7


def test_encoders_and_items_can_be_pickled(encoder, tmp_path, monkeypatch):
    (item,) = encoder.encode([PIXELS])
    other = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(other.encode([PIXELS])[0].embeddings, item.embeddings)
    again = pickle.loads(pickle.dumps(item))
    assert (again.name, again.grid_thw) == (item.name, item.grid_thw)
    assert np.array_equal(again.embeddings, item.embeddings)
    processor = pickle.loads(pickle.dumps(encoder.processor))
    assert np.array_equal(processor(images=PIXELS)["pixel_values"], encoder.processor(images=PIXELS)["pixel_values"])

    monkeypatch.chdir(GOLDEN)
    relative = pickle.dumps(glm4v.VisionEncoder.from_pretrained("patch14-f32", dtype="bf16", max_tokens=9))
    monkeypatch.chdir(tmp_path)
    restored = pickle.loads(relative)
    assert "patch14-f32" in repr(restored) and restored.out_hidden_size == 48

    (error,) = encoder.encode([None], errors="return")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.index, again.name) == (type(error), str(error), 0, "input 0")


def test_a_panic_is_an_error():
    with pytest.raises(glm4v.Error, match="internal error: out of luck; this is a bug in glm4v"):
        glm4v._native._panic()


def test_public_names_are_documented():
    for name in glm4v.__all__:
        value = getattr(glm4v, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), name
    for name, method in inspect.getmembers(glm4v.VisionEncoder, inspect.isfunction):
        assert name.startswith("_") or inspect.getdoc(method), name


def test_integers_of_eight_bits_are_near(encoder):
    (exact,) = encoder.encode([PIXELS])
    (item,) = glm4v.VisionEncoder.from_pretrained(preset="tiny", dtype="int8").encode([PIXELS])
    assert 1e-4 < difference(item.embeddings, exact.embeddings) < 0.2
