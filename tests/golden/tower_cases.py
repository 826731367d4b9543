"""The tower cases: tiny random checkpoints in the published layout, and what the reference makes of them."""

import json
import shutil
import zlib

import numpy as np
import torch
from safetensors.torch import save_file
from transformers.image_utils import load_image
from transformers.models.glm4v.configuration_glm4v import Glm4vVisionConfig
from transformers.models.glm4v.modeling_glm4v import Glm4vVisionModel
from transformers.models.glm4v_moe.configuration_glm4v_moe import Glm4vMoeVisionConfig
from transformers.models.glm4v_moe.modeling_glm4v_moe import Glm4vMoeVisionModel
from transformers.models.glm5_next.configuration_glm5_next import Glm5NextVisionConfig
from transformers.models.glm5_next.modeling_glm5_next import Glm5NextVisionModel
from transformers.models.glm_ocr.configuration_glm_ocr import GlmOcrVisionConfig
from transformers.models.glm_ocr.modeling_glm_ocr import GlmOcrVisionModel

from batch import preprocess
from clips import read_video, synthetic
from pictures import IMAGES
from reference import DTYPES, encode, load_tower, save, stages

VIDEOS = IMAGES.parent / "videos"

PUBLISHED_VIDEO = {"shortest_edge": 12544, "longest_edge": 47040000}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def vision(**changes):
    common = {
        "hidden_size": 64,
        "depth": 3,
        "num_heads": 4,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_dropout_prob": 0.0,
        "image_size": 70,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": 80,
        "out_hidden_size": 48,
        "patch_size": 14,
        "rms_norm_eps": 1e-05,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    return common | changes


# By the model_type of a config.json: architecture, model_type of the language model, and the tower.
FAMILY = {
    "glm4v": ("Glm4vForConditionalGeneration", "glm4v_text", Glm4vVisionConfig, Glm4vVisionModel),
    "glm4v_moe": ("Glm4vMoeForConditionalGeneration", "glm4v_moe_text", Glm4vMoeVisionConfig, Glm4vMoeVisionModel),
    "glm46v": ("Glm46VForConditionalGeneration", "glm4v_text", Glm4vVisionConfig, Glm4vVisionModel),
    "glm_ocr": ("GlmOcrForConditionalGeneration", "glm_ocr_text", GlmOcrVisionConfig, GlmOcrVisionModel),
    "glm5_next": ("Glm5NextForConditionalGeneration", "glm5_next_text", Glm5NextVisionConfig, Glm5NextVisionModel),
    "glmga": ("Glm46VForConditionalGeneration", "glm4v_text", Glm4vVisionConfig, Glm4vVisionModel),
}

# transformers refuses fewer heads for keys and values.
GLM5_TEXT = {"num_key_value_heads": 2}

# size: limits of the image processor, counted as the reference does in frames × height × width. text, image, video: what
# differs in text_config and in the files of the processors. alone: config.json is the vision configuration itself. inputs:
# images and videos in the order of the batch, as in inputs.json (`load`).
CASES = {
    "patch14-f32": {
        "vision": vision(model_type="glm4v_vision"),
        "size": {"shortest_edge": 6272, "longest_edge": 56448},
        "inputs": ["rgb-90x62.png"],
    },
    "patch14-bf16-sharded": {
        "vision": vision(num_heads=2),
        "size": {"shortest_edge": 6272, "longest_edge": 18816},
        "inputs": ["rgb-200x44.png"],
        "dtype": "bf16",
        "shards": 3,
        "language_model": True,
    },
    "patch16-merge3-tps1": {
        "vision": vision(
            hidden_size=48,
            num_heads=3,
            depth=2,
            attention_bias=True,
            hidden_act="gelu",
            image_size=112,
            patch_size=16,
            rms_norm_eps=1e-06,
            spatial_merge_size=3,
            temporal_patch_size=1,
        ),
        "size": {"shortest_edge": 4608, "longest_edge": 20736},
        "processor": {
            "image_mean": [0.5, 0.4, 0.3],
            "image_std": [0.5, 0.25, 0.2],
            "rescale_factor": 0.005,
        },
        "inputs": ["rgb-100x190.png"],
        "prefix": "visual.",
    },
    "mixed-batch": {
        "vision": vision(hidden_size=48, num_heads=2, depth=2, out_hidden_size=40, image_size=84),
        "size": {"shortest_edge": 6272, "longest_edge": 10976},
        "inputs": [
            "rgb-90x62.png",
            "rgb-20x47.png",
            "gray.png",
            "palette-alpha.png",
            "exif-6.jpg",
            "rgba.png",
            "lossless.webp",
            "exif-6.png",
        ],
        "dtype": "f16",
        "language_model": True,
    },
    "tps4": {
        "vision": vision(hidden_size=32, depth=2, patch_size=8, temporal_patch_size=4, image_size=48),
        "size": {"shortest_edge": 4096, "longest_edge": 12288},
        "inputs": ["rgb-60x83.png"],
    },
    "glm4v-moe": {
        "model_type": "glm4v_moe",
        "vision": vision(model_type="glm4v_moe", hidden_size=32, depth=2, patch_size=8, image_size=48),
        "size": {"shortest_edge": 2048, "longest_edge": 8192},
        "inputs": ["rgb-60x83.png"],
        "dtype": "bf16",
    },
    "glm46v": {
        "model_type": "glm46v",
        "vision": vision(
            hidden_size=32,
            depth=2,
            patch_size=8,
            image_size=48,
            hidden_act="gelu_pytorch_tanh",
            rope_parameters={"rope_type": "axial", "rope_theta": 100.0},
        ),
        "size": {"shortest_edge": 2048, "longest_edge": 8192},
        "inputs": ["rgb-90x62.png"],
    },
    "glm-ocr": {
        "model_type": "glm_ocr",
        "vision": vision(
            model_type="glm_ocr_vision",
            hidden_size=48,
            num_heads=3,
            depth=2,
            attention_bias=True,
            intermediate_size=56,
            out_hidden_size=40,
        ),
        "size": {"shortest_edge": 6272, "longest_edge": 10976},
        "inputs": ["rgb-90x62.png", "rgb-200x44.png", "rgb-60x83.png", "rgb-90x62.png"],
    },
    "glm5-next": {
        "model_type": "glm5_next",
        "text": GLM5_TEXT,
        "vision": vision(
            model_type="glm5_next_vision",
            hidden_size=48,
            num_heads=3,
            depth=2,
            attention_bias=True,
            intermediate_size=56,
            projection_intermediate_size=72,
            swiglu_limit=0.75,
            out_hidden_size=40,
        ),
        "image": {"min_image_tokens": 4, "max_image_tokens": 12, "image_processor_type": "Glm5NextImageProcessor"},
        "video": {
            "size": {"longest_edge": 1},
            "min_image_tokens": 4,
            "max_image_tokens": 48,
            "video_processor_type": "Glm5NextVideoProcessor",
        },
        # Enlarged, kept, and reduced; the canvas is larger than the content on one side or both.
        "inputs": ["rgb-20x47.png", "rgb-90x62.png", "rgb-200x44.png", "rgb-100x190.png", "rgb-1x1.png", "rgba.png"],
    },
    "glmga": {
        "model_type": "glmga",
        "vision": vision(model_type="glm4v_vision", hidden_size=32, depth=2, patch_size=8, image_size=48),
        "size": {"shortest_edge": 2048, "longest_edge": 16384},
        "image": {"patch_expand_factor": 2, "image_processor_type": "GlmgaImageProcessor"},
        "video": {"patch_expand_factor": 2, "video_processor_type": "GlmgaVideoProcessor"},
        "inputs": ["rgb-60x83.png", "rgb-20x47.png"],
    },
    "tower-alone": {
        "model_type": "glm4v_moe",
        "vision": vision(model_type="glm4v_moe_vision", hidden_size=32, num_heads=2, depth=2, patch_size=8, image_size=48),
        "size": {"shortest_edge": 2048, "longest_edge": 8192},
        "inputs": ["rgb-90x62.png"],
        "alone": True,
        "prefix": "",
    },
}


def make_case(folder, case):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_configs(folder, case)
    write_weights(folder, case)
    write_json(folder / "inputs.json", case["inputs"])
    inputs = preprocess(folder, [load(entry) for entry in case["inputs"]])
    expected = stages(load_tower(folder), inputs)
    # How near the reference's own reduced precision comes: no more is asked of ours.
    for dtype in ("bf16", "f16"):
        expected[f"merger_{dtype}"] = encode(load_tower(folder, dtype), inputs).pooler_output
    check(expected, folder.name)
    save(expected, folder / "expected.safetensors")


def load(entry):
    """An entry of inputs.json: the name of an image, the name of a video file, or the fields of a synthetic video."""
    if isinstance(entry, str):
        return load_image(str(IMAGES / entry))
    return read_video(VIDEOS / entry["video"]) if "video" in entry else synthetic(**entry)


def check(expected, name):
    """No stage may be flat, unfinished or out of scale, or errors inside could hide."""
    print(name, expected["grid_thw"].tolist())
    for key, value in expected.items():
        if key == "grid_thw" or key.startswith(("frames_indices.", "timestamps.")):
            print(f"  {key:20} {value.tolist()}")
            continue
        deviation = value.float().std().item()
        print(f"  {key:20} {list(value.shape)} std {deviation:.4f}")
        if not (torch.isfinite(value).all() and 1e-3 < deviation < 20):
            raise SystemExit(f"{name}: {key} has std {deviation}")


def write_configs(folder, case):
    write_json(folder / "config.json", case["vision"] if case.get("alone") else model_config(case))
    common = {
        "do_rescale": True,
        "patch_size": case["vision"]["patch_size"],
        "temporal_patch_size": case["vision"]["temporal_patch_size"],
        "merge_size": case["vision"]["spatial_merge_size"],
        **CLIP,
        **case.get("processor", {}),
        "processor_class": "Glm4vProcessor",
    }
    size = {"size": case["size"]} if "size" in case else {}
    image = {**size, **common, "image_processor_type": "Glm4vImageProcessor", **case.get("image", {})}
    video = {"size": PUBLISHED_VIDEO, **common, "video_processor_type": "Glm4vVideoProcessor", **case.get("video", {})}
    write_json(folder / "preprocessor_config.json", image)
    write_json(folder / "video_preprocessor_config.json", video)


def model_config(case):
    tokens = {
        "image_start_token_id": 151339,
        "image_end_token_id": 151340,
        "video_start_token_id": 151341,
        "video_end_token_id": 151342,
        "image_token_id": 151343,
        "video_token_id": 151344,
    }
    model_type = case.get("model_type", "glm4v")
    architecture, text_type, *_ = FAMILY[model_type]
    text = {
        "model_type": text_type,
        "vocab_size": 64,
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        **case.get("text", {}),
    }
    nested = {"tie_word_embeddings": False, "text_config": text, "vision_config": case["vision"]}
    return {"architectures": [architecture], "model_type": model_type, **tokens, **nested}


def write_weights(folder, case):
    dtype = DTYPES[case.get("dtype", "f32")]
    prefix = case.get("prefix", "model.visual.")
    *_, tower_config, tower_model = FAMILY[case.get("model_type", "glm4v")]
    tower = tower_model(tower_config(**case["vision"]))
    weights = {
        prefix + name: torch.from_numpy(random_weight(folder.name, name, tuple(parameter.shape)))
        for name, parameter in tower.named_parameters()
    }
    if case.get("language_model"):
        weights |= language_tensors()
    write_shards(folder, {key: value.to(dtype) for key, value in sorted(weights.items())}, case.get("shards", 1))


# Standard deviation of a product's output, by the last of these words in the parameter's name. A small patch_embed and
# merger.proj let the epsilon of the norm after them show; a large qkv keeps attention from being flat.
GAINS = {"patch_embed": 0.03, "qkv": 1.5, "attn.proj": 1.0, "mlp": 1.5, "downsample": 0.7, "merger": 1.6}
GAINS |= {"merger.proj": 0.03}


def random_weight(case, name, shape):
    draw = np.random.default_rng([zlib.crc32(case.encode()), zlib.crc32(name.encode())])
    if name.endswith("bias"):
        values = draw.uniform(-0.2, 0.2, shape) * (0.1 if "patch_embed" in name else 1)
    elif "norm" in name:
        values = draw.uniform(0.7, 1.3, shape)
    elif "position_embedding" in name:
        values = draw.normal(0, 0.5, shape)
    else:
        gain = [gain for word, gain in GAINS.items() if word in name][-1]
        values = draw.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)
    return values.astype(np.float32)


def language_tensors():
    return {
        "lm_head.weight": torch.full((4, 8), 9.0),
        "model.language_model.embed_tokens.weight": torch.full((4, 8), 9.0),
        "model.language_model.layers.0.self_attn.q_proj.weight": torch.full((8, 8), 9.0),
        "model.language_model.norm.weight": torch.full((8,), 9.0),
    }


def write_shards(folder, weights, count):
    """One file, or `count` of them with the tensors dealt out in turn, and an index."""
    metadata = {"format": "pt"}
    if count == 1:
        save_file(weights, folder / "model.safetensors", metadata=metadata)
        return
    names = [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    places = {key: names[position % count] for position, key in enumerate(weights)}
    for name in names:
        shard = {key: value for key, value in weights.items() if places[key] == name}
        save_file(shard, folder / name, metadata=metadata)
    size = sum(value.numel() * value.element_size() for value in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")
