"""The tower cases with videos: alone, among images, and from files."""

from tower_cases import GLM5_TEXT, vision

SMALL = vision(hidden_size=32, depth=2, num_heads=2, out_hidden_size=40, patch_size=8, image_size=48)
IMAGE_SIZE = {"shortest_edge": 1024, "longest_edge": 4096}
TOKENS = {"min_image_tokens": 1, "max_image_tokens": 6}


def clip(num_frames, fps, height, width, duration=None):
    return {"num_frames": num_frames, "fps": fps, "duration": duration, "height": height, "width": width}


def video(rule, longest_edge, **changes):
    return {"size": {"shortest_edge": 1024, "longest_edge": longest_edge}, **changes, "video_processor_type": rule}


# For the rules of GLM-5.3-Flash and GLM-GA with at most seven frames. Without a duration, they run in the browser too.
CLIPS_AND_IMAGE = [
    clip(14, 12, 62, 90),  # too few frames start a half second, so four are spread up to the last of them
    clip(40, 4, 47, 33),  # more than seven: seven spread over the video, the last one twice
    "rgb-90x62.png",
    clip(1, 25, 40, 30),
    clip(5, 1, 56, 84),  # slower than 2 frames a second: all frames, the last one twice
    clip(13, 6, 31, 100),
    clip(8, 0.2, 40, 30),  # slow, and more than seven
]

CLIP_CASES = {
    "glm4v-clips": {
        "vision": SMALL,
        "size": IMAGE_SIZE,
        "video": video("Glm4vVideoProcessor", 4096, fps=2, max_duration=3),
        "inputs": [
            clip(8, 4, 62, 90, 2.0),  # every second frame
            clip(5, 4, 47, 33, 1.5),  # an odd number of sampled frames: the last one twice
            clip(1, 25, 40, 30),
            clip(20, 4, 40, 30),  # longer than max_duration: six frames spread over the video
            clip(3, 1, 31, 100),  # slower than 2 frames a second
            clip(5, 1, 56, 84),  # longer and slower: all frames
            clip(7, 24000 / 1001, 31, 33, 0.292),  # n = ⌊0.584⌋ = 0, and still one frame
        ],
    },
    "glm46v-clips": {
        "model_type": "glm46v",
        "vision": SMALL | {"model_type": "glm4v_vision"},
        "size": IMAGE_SIZE,
        # The processor ignores fps and max_duration.
        "video": video("Glm46VVideoProcessor", 4096, fps=2, max_duration=3),
        "inputs": [
            clip(14, 12, 62, 90, 1.0),  # faster than 6 frames a second: every second frame
            clip(13, 30, 37, 33, 0.43),  # the same, an odd number
            clip(1, 25, 40, 30),
            clip(4, 2, 31, 100),  # slower: all frames
            clip(5, 4, 56, 84, 1.25),
            clip(8, 0.2, 40, 30),  # over 30 seconds
            clip(6, 0.01, 40, 52),  # over 300 seconds
        ],
    },
    "glm46v-moe": {
        # GLM-4.6V is GLM-4.5V's architecture with the sampling of GLM-4.6V-Flash.
        "model_type": "glm4v_moe",
        "vision": SMALL | {"model_type": "glm4v_moe_vision"},
        "size": IMAGE_SIZE,
        "video": video("Glm46VVideoProcessor", 4096),
        "inputs": [clip(9, 4, 62, 90), "rgb-60x83.png", clip(12, 12, 40, 52, 1.0)],
        "dtype": "bf16",
    },
    "pictures-and-clips": {
        "vision": SMALL,
        "size": IMAGE_SIZE,
        "video": video("Glm4vVideoProcessor", 6144, fps=3),
        # The frames of the first video are as large as the first image, so the segments of two inputs have equal lengths.
        "inputs": ["rgb-90x62.png", clip(4, 3, 40, 52), "exif-6.jpg", clip(9, 8, 62, 90), "rgb-20x47.png"],
    },
    "glm-ocr-clip": {
        "model_type": "glm_ocr",
        "vision": SMALL | {"model_type": "glm_ocr_vision", "attention_bias": True, "intermediate_size": 56},
        "size": IMAGE_SIZE,
        "video": video("Glm46VVideoProcessor", 4096),
        "inputs": [clip(11, 10, 62, 90, 1.1), "rgb-200x44.png"],
    },
    "glm5-next-clips": {
        "model_type": "glm5_next",
        "text": GLM5_TEXT,
        "vision": SMALL
        | {
            "model_type": "glm5_next_vision",
            "attention_bias": True,
            "intermediate_size": 56,
            "projection_intermediate_size": 72,
            "swiglu_limit": 0.75,
        },
        "image": {"patch_expand_factor": 2, **TOKENS, "image_processor_type": "Glm5NextImageProcessor"},
        "video": {
            "size": {"longest_edge": 1},
            "patch_expand_factor": 2,
            "max_frames": 7,
            **TOKENS,
            "video_processor_type": "Glm5NextVideoProcessor",
        },
        "inputs": CLIPS_AND_IMAGE,
    },
    "glmga-clips": {
        "model_type": "glmga",
        "vision": SMALL | {"model_type": "glm4v_vision"},
        "size": IMAGE_SIZE,
        "image": {"patch_expand_factor": 2, "image_processor_type": "GlmgaImageProcessor"},
        "video": video("GlmgaVideoProcessor", 6144, patch_expand_factor=2, max_frames=7),
        "inputs": CLIPS_AND_IMAGE,
    },
    "big-buck-bunny": {
        "vision": SMALL,
        "size": IMAGE_SIZE,
        "video": video("Glm4vVideoProcessor", 18432),
        "inputs": [{"video": "bigbuckbunny.mp4"}],
    },
    "b-frames": {
        "model_type": "glm46v",
        "vision": SMALL,
        "size": IMAGE_SIZE,
        "video": video("Glm46VVideoProcessor", 18432),
        "inputs": [{"video": "b-frames.mp4"}],
    },
}
