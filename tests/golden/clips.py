"""Videos in the form in which transformers' loader gives them to its video processors. They are synthetic, or from files."""

from typing import NamedTuple

import numpy as np
from transformers.models.glm4v.processing_glm4v import Glm4vProcessor
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor
from transformers.models.glm46v.processing_glm46v import Glm46VProcessor
from transformers.models.glm46v.video_processing_glm46v import Glm46VVideoProcessor
from transformers.models.glm5_next.processing_glm5_next import Glm5NextProcessor
from transformers.models.glm5_next.video_processing_glm5_next import Glm5NextVideoProcessor
from transformers.models.glmga.video_processing_glmga import GlmgaVideoProcessor

# For each video_processor_type of video_preprocessor_config.json: the class that samples, and the class that writes the prompt.
RULES = {
    "Glm4vVideoProcessor": (Glm4vVideoProcessor, Glm4vProcessor),
    "Glm46VVideoProcessor": (Glm46VVideoProcessor, Glm46VProcessor),
    "GlmgaVideoProcessor": (GlmgaVideoProcessor, Glm46VProcessor),
    "Glm5NextVideoProcessor": (Glm5NextVideoProcessor, Glm5NextProcessor),
}


class Clip(NamedTuple):
    """All frames, u8 [frames, height, width, 3], and the fields of VideoMetadata."""

    frames: np.ndarray
    metadata: dict


def synthetic(num_frames, fps, duration, height, width):
    frames = np.stack([frame(index, height, width) for index in range(num_frames)])
    return Clip(frames, metadata(num_frames, fps, duration))


def frame(index, height, width):
    """Ramps, edges where they wrap, and a grain that every filter changes: [height, width, 3]."""
    y, x, channel = np.mgrid[0:height, 0:width, 0:3]
    return ((3 * x + 5 * y + 17 * index + 40 * channel + 3 * (x * y * (index + 1) % 61)) % 256).astype(np.uint8)


def read_video(path):
    """All frames, decoded by PyAV, and their metadata as torchcodec has it. transformers' processors load paths with
    torchcodec. Its duration goes from the first frame's start to the last frame's end. Its frame rate is the number of
    frames over that duration."""
    # Images need no decoder of videos, and machines with a GPU are often bare.
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = list(container.decode(stream))
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in shown])
        start, end = shown[0].pts * stream.time_base, (shown[-1].pts + shown[-1].duration) * stream.time_base
    duration = float(end) - float(start)
    return Clip(frames, metadata(len(frames), len(frames) / duration, duration))


def metadata(num_frames, fps, duration):
    known = {"total_num_frames": num_frames, "fps": fps, "duration": duration}
    return known | {"frames_indices": list(range(num_frames))}


def process_clips(processor, clips):
    known = [clip.metadata for clip in clips]
    frames = [clip.frames for clip in clips]
    return processor(videos=frames, video_metadata=known, return_metadata=True, return_tensors="pt")


def prompt_timestamps(rule, metadata, temporal_patches):
    """The seconds that the reference's processor names before each temporal patch."""
    if temporal_patches == 0:
        return []
    processor = RULES[rule][1].__new__(RULES[rule][1])
    processor.video_processor = RULES[rule][0](merge_size=1)
    found = []
    processor.replace_frame_token_id = lambda seconds, num_image_tokens: found.append(float(seconds)) or ""
    grid = np.array([[temporal_patches, 1, 1]])
    processor.replace_video_token({"video_grid_thw": grid, "video_metadata": [metadata]}, 0)
    return found
