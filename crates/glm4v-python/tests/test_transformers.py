"""glm4v as the vision tower of models of transformers: tiny random models of every member of the family."""

import json

import glm4v
import numpy as np
import pytest
from conftest import GOLDEN, frame

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import glm4v.transformers  # noqa: E402

# The goldens whose vision configurations and processors are used, by the class of the model.
CASES = {
    "patch14-f32": "Glm4vForConditionalGeneration",
    "glm4v-moe": "Glm4vMoeForConditionalGeneration",
    "glm46v": "Glm46VForConditionalGeneration",
    "glm46v-moe": "Glm46VForConditionalGeneration",
    "glmga": "Glm46VForConditionalGeneration",
    "glm-ocr": "GlmOcrForConditionalGeneration",
    "glm5-next": "Glm5NextForConditionalGeneration",
}
WIDTH = 48
TOKENS = {
    "image_token_id": 60,
    "video_token_id": 61,
    "image_start_token_id": 56,
    "image_end_token_id": 57,
    "video_start_token_id": 58,
    "video_end_token_id": 59,
}
TEXT = {
    "vocab_size": 64,
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 12,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [1, 1, 1],
        "partial_rotary_factor": 0.5,
    },
}
MOE = {
    "moe_intermediate_size": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
GLM5_NEXT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "v_head_dim": 12,
    "index_topk": 32,
    "index_head_dim": 8,
    "index_n_heads": 2,
    "linear_head_dim": 12,
    "linear_num_heads": 4,
    "hc_mult": 2,
    "layer_types": ["linear_attention", "indexed_attention"],
    "mlp_layer_types": ["dense", "sparse"],
    "head_dim": 0,
}


def model_of(case, dtype=torch.float32):
    """A random model, the same in every call."""
    config = json.loads((GOLDEN / case / "config.json").read_text())
    text = config["text_config"]["model_type"]
    config["text_config"] |= TEXT
    if text in ("glm4v_moe_text", "glm5_next_text"):
        config["text_config"] |= MOE
    if text == "glm5_next_text":
        config["text_config"] |= GLM5_NEXT
    config["vision_config"]["out_hidden_size"] = WIDTH
    config |= TOKENS
    config = transformers.AutoConfig.for_model(**config)
    torch.manual_seed(7)
    model = getattr(transformers, CASES[case])(config).eval()
    for parameter in model.model.visual.parameters():
        parameter.data = parameter.data + 0.1 * torch.randn_like(parameter)
    return model.to(dtype)


def prompt_of(case, images=(), videos=()):
    """The inputs of a model: a prompt with all images and videos, and their pixels."""
    processor = glm4v.Processor.from_pretrained(GOLDEN / case)
    inputs = processor(images=images or None, videos=videos or None)
    ids, types = [1, 2], [0, 0]
    for grid in inputs.get("image_grid_thw", []):
        tokens = int(grid.prod()) // 4
        ids += [TOKENS["image_start_token_id"], *[TOKENS["image_token_id"]] * tokens, TOKENS["image_end_token_id"], 3]
        types += [0, *[1] * tokens, 0, 0]
    for t, h, w in inputs.get("video_grid_thw", []):
        tokens = int(h * w) // 4
        ids += [TOKENS["video_start_token_id"]]
        types += [0]
        for _ in range(t):
            ids += [TOKENS["image_start_token_id"], *[TOKENS["image_token_id"]] * tokens, TOKENS["image_end_token_id"], 4]
            types += [0, *[2] * tokens, 0, 0]
        ids += [TOKENS["video_end_token_id"]]
        types += [0]
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    tensors |= {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    if case != "glm5-next":
        tensors["mm_token_type_ids"] = torch.tensor([types])
    return tensors


def prompts(case):
    video = glm4v.Video([frame(index, 60, 80) for index in range(6)], fps=2)
    yield prompt_of(case, images=[frame(0, 84, 56), frame(1, 40, 100), frame(2, 62, 90)])
    yield prompt_of(case, videos=[video])
    if case == "glm5-next":
        yield prompt_of(case, images=[frame(0, 84, 56)], videos=[video])


def logits(model, prompt):
    with torch.no_grad():
        return model(**prompt).logits.double()


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("case", CASES)
def test_logits_are_the_same(case):
    model = model_of(case)
    for prompt in prompts(case):
        expected = logits(model, prompt)
        generated = model.generate(**prompt, max_new_tokens=5, do_sample=False)
        tower = glm4v.transformers.accelerate(model, keep=True)
        assert model.model.visual is tower and not list(tower.parameters())
        assert relative(logits(model, prompt), expected) < 1e-5
        assert torch.equal(model.generate(**prompt, max_new_tokens=5, do_sample=False), generated)
        glm4v.transformers.restore(model)
        assert torch.equal(logits(model, prompt), expected)


@pytest.mark.parametrize("case", CASES)
def test_bf16_is_no_further_from_f32(case):
    exact, reduced = model_of(case), model_of(case, torch.bfloat16)
    (prompt, *_) = prompts(case)
    pixels, grids = prompt["pixel_values"], prompt["image_grid_thw"]
    # Both start from the weights and pixels in bf16.
    exact.model.visual.load_state_dict(reduced.model.visual.state_dict())
    rounded = pixels.to(torch.bfloat16)
    with torch.no_grad():
        expected = exact.model.visual(rounded.float(), grid_thw=grids)
        theirs = reduced.model.visual(rounded, grid_thw=grids)
        glm4v.transformers.accelerate(reduced)
        ours = reduced.model.visual(rounded, grid_thw=grids)
    for output in "pooler_output", "last_hidden_state":
        assert ours[output].dtype == torch.bfloat16 == theirs[output].dtype
        far, near = (relative(value[output].double(), expected[output].double()) for value in (theirs, ours))
        assert near <= far, (output, near, far)
    assert torch.isfinite(logits(reduced, prompt)).all()


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_those_of_the_tower(case):
    model = model_of(case)
    (prompt, *_) = prompts(case)
    pixels, grids = prompt["pixel_values"], prompt["image_grid_thw"]
    with torch.no_grad():
        expected = model.model.visual(pixels, grid_thw=grids)
        tower = glm4v.transformers.accelerate(model)
        found = tower(pixels, grid_thw=grids, output_attentions=False)
        pair = tower(pixels, grids, return_dict=False)
    for output in "pooler_output", "last_hidden_state":
        assert found[output].shape == expected[output].shape
        assert relative(found[output].double(), expected[output].double()) < 1e-5
    assert isinstance(pair, tuple) and torch.equal(pair[1], found.pooler_output)
    assert (tower.dtype, tower.device.type, tower.spatial_merge_size) == (torch.float32, "cpu", 2)
    assert tower.config.depth == model.config.vision_config.depth


def test_a_tower_is_restored_from_its_checkpoint(tmp_path):
    model_of("glm-ocr").save_pretrained(tmp_path)
    model = transformers.AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32).eval()
    (prompt, *_) = prompts("glm-ocr")
    expected = logits(model, prompt)
    tower = glm4v.transformers.accelerate(model)
    assert glm4v.transformers.accelerate(model) is tower
    assert relative(logits(model, prompt), expected) < 1e-5
    with pytest.raises(glm4v.ModelError, match="restore"):
        model.save_pretrained(tmp_path / "other")
    restored = glm4v.transformers.restore(model)
    assert type(restored).__name__ == "GlmOcrVisionModel"
    assert torch.equal(logits(model, prompt), expected)


def test_the_old_tower_is_freed():
    import weakref

    model = model_of("glm46v")
    old = weakref.ref(model.model.visual)
    glm4v.transformers.accelerate(model)
    assert old() is None
    with pytest.raises(glm4v.ModelError, match="keep=True"):
        glm4v.transformers.restore(model)
    assert isinstance(model.model.visual, glm4v.transformers.VisionTower)


def test_gradients_are_refused():
    model = model_of("glm46v")
    (prompt, *_) = prompts("glm46v")
    glm4v.transformers.accelerate(model)
    pixels = prompt["pixel_values"].clone().requires_grad_()
    with pytest.raises(RuntimeError, match="no gradients"):
        model.model.visual(pixels, grid_thw=prompt["image_grid_thw"])
    with pytest.raises(RuntimeError, match="no gradients"):
        model.train()(**prompt)
    assert torch.isfinite(model.eval()(**prompt).logits).all()


def test_other_models_are_refused():
    with pytest.raises(glm4v.ModelError, match="has no vision tower"):
        glm4v.transformers.accelerate(torch.nn.Linear(2, 2))
    other = torch.nn.Module()
    other.visual = torch.nn.Linear(2, 2)
    with pytest.raises(glm4v.ModelError, match="Linear is not supported"):
        glm4v.transformers.accelerate(other)
    model = model_of("glm46v").to("meta")
    tower = model.model.visual
    with pytest.raises(glm4v.ModelError, match="is on meta"):
        glm4v.transformers.accelerate(model)
    assert model.model.visual is tower


def test_a_wrong_batch_is_refused():
    model = model_of("glm46v")
    (prompt, *_) = prompts("glm46v")
    tower = glm4v.transformers.accelerate(model)
    with pytest.raises(glm4v.InputError, match="patch rows"):
        tower(prompt["pixel_values"][1:], grid_thw=prompt["image_grid_thw"])
    assert np.isfinite(tower(prompt["pixel_values"], grid_thw=prompt["image_grid_thw"]).pooler_output.numpy()).all()
