"""Preprocesses the images and videos of one batch with the image and the video processor of a checkpoint."""

import json

import torch
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor
from transformers.models.glm5_next.image_processing_glm5_next import Glm5NextImageProcessor
from transformers.models.glm46v.image_processing_glm46v import Glm46VImageProcessor
from transformers.models.glmga.image_processing_glmga import GlmgaImageProcessor

from clips import RULES, Clip, process_clips, prompt_timestamps

CLASSES = [Glm4vImageProcessor, Glm46VImageProcessor, Glm5NextImageProcessor, GlmgaImageProcessor]
# By the image_processor_type of preprocessor_config.json.
IMAGE_PROCESSORS = {processor.__name__: processor for processor in CLASSES}


def preprocess(checkpoint, inputs):
    """pixel_values and grid_thw in the order of `inputs`, which are images and `Clip`s (videos). For a video at index N, also
    `frames_indices.N`, and the seconds that the prompt names, `timestamps.N`."""
    clips = {place: entry for place, entry in enumerate(inputs) if isinstance(entry, Clip)}
    pictures = {place: entry for place, entry in enumerate(inputs) if place not in clips}
    parts, sampled = {}, {}
    if pictures:
        parts |= picture_parts(checkpoint, pictures)
    if clips:
        found, sampled = clip_parts(checkpoint, clips)
        parts |= found
    rows, grids = zip(*(parts[place] for place in range(len(inputs))))
    return {"pixel_values": torch.cat(rows), "grid_thw": torch.stack(grids), **sampled}


def picture_parts(checkpoint, pictures):
    config = configuration(checkpoint, "image_processor", "preprocessor_config.json")
    processor = IMAGE_PROCESSORS[config["image_processor_type"]].from_pretrained(checkpoint)
    output = processor(images=list(pictures.values()), return_tensors="pt")
    return by_place(pictures, output["pixel_values"], output["image_grid_thw"])


def clip_parts(checkpoint, clips):
    config = configuration(checkpoint, "video_processor", "video_preprocessor_config.json")
    rule = config["video_processor_type"]
    output = process_clips(RULES[rule][0].from_pretrained(checkpoint), list(clips.values()))
    grids = output["video_grid_thw"]
    sampled = {}
    for place, metadata, grid in zip(clips, output["video_metadata"], grids):
        seconds = prompt_timestamps(rule, metadata, int(grid[0]))
        sampled[f"frames_indices.{place}"] = torch.tensor([int(index) for index in metadata.frames_indices])
        sampled[f"timestamps.{place}"] = torch.tensor(seconds, dtype=torch.float64)
    return by_place(clips, output["pixel_values_videos"], grids), sampled


def configuration(checkpoint, name, file):
    """The configuration of a processor: nested in one file for both, or in a file of its own."""
    nested = checkpoint / "processor_config.json"
    if nested.exists():
        return json.loads(nested.read_text())[name]
    return json.loads((checkpoint / file).read_text())


def by_place(entries, rows, grids):
    return dict(zip(entries, zip(torch.split(rows, grids.prod(-1).tolist()), grids)))
