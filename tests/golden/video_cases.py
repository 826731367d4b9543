"""The video cases: frames sampled by all rules, and checksums of patch rows of synthetic videos."""

import zlib

import numpy as np
from transformers.video_utils import VideoMetadata

from clips import RULES, process_clips, prompt_timestamps, synthetic
from preprocess_cases import PUBLISHED
from tower_cases import CLIP, PUBLISHED_VIDEO

ROWS = 2000
SOURCE_FPS = [1, 2, 10, 12.5, 15, 23.976, 24000 / 1001, 24, 25, 29.97, 30000 / 1001, 30, 50, 60, 120, 0.5, 0.1]


def sample_goldens():
    """Rows of num_frames, fps, duration (null: not known), then the options fps, max_duration, temporal_patch_size,
    then the reference's answer: how many frames, the CRC-32 of their indices (u64) and that of the timestamps in
    seconds (f64) that its processor puts in the prompt."""
    return {rule: sample_rows(rule) for rule in RULES}


def sample_rows(rule):
    draw = np.random.default_rng(46)
    questions = edge_questions()
    questions += [random_question(draw) for _ in range(ROWS - len(questions))]
    return [[*question, *sample_answer(rule, *question)] for question in questions]


def edge_questions():
    """One frame, few frames, lengths around every threshold of the rules, and videos of millions of frames."""
    usual = (2, 300, 2)
    few = [(count, fps, None, *usual) for count in (1, 2, 3, 4, 5, 7) for fps in (0.1, 1, 2, 3, 24, 29.97)]
    spans = [29.9, 30, 30.1, 299.5, 299.99, 300, 300.01, 301, 319.9, 320, 640, 2399, 2400, 2401, 5000]
    around = [(int(span * fps), fps, span, *usual) for span in spans for fps in (1, 24, 30000 / 1001)]
    around += [(int(span * 25) + 1, 25, None, *usual) for span in spans]
    short = [(frames, 25, duration, 2, 300, 2) for frames in (1, 2, 3, 9) for duration in (0.04, 0.1, 0.17, 0.4, 1)]
    lying = [(10, 30, 3600, *usual), (5000, 30, 1, *usual), (100, 30, 0, *usual), (2, 30, 1e6, *usual)]
    huge = [(3_000_000, 30, None, *usual), (2_000_000, 24000 / 1001, 83416.7, *usual), (1_500_000, 1000, None, *usual)]
    options = [(500, 25, None, *rest) for rest in ((0.01, 1, 2), (0.5, 1, 2), (1, 1, 2), (400, 9, 1), (7.3, 300, 4))]
    return few + around + short + lying + huge + options


def random_question(draw):
    frames = int(np.exp(draw.uniform(0, np.log(60_000))))
    fps = draw.choice(SOURCE_FPS) if draw.random() < 0.7 else round(float(np.exp(draw.uniform(-2, 5))), 3)
    duration = [None, round(frames / fps, 3), round(frames / fps * draw.uniform(0.8, 1.25), 2), frames / fps]
    duration = duration[draw.choice(4, p=[0.3, 0.4, 0.2, 0.1])]
    wanted = float(draw.choice([2, 2, 1, 0.5, 3, 4, 23.976, 60, round(float(draw.uniform(0.1, 8)), 2)]))
    longest = float(draw.choice([300, 300, 30, 10, 3600, round(float(draw.uniform(1, 600)), 1)]))
    return (frames, plain(fps), plain(duration), plain(wanted), plain(longest), int(draw.choice([2, 2, 1, 4])))


def plain(number):
    """Python's own number, an int where it is whole."""
    if number is None:
        return None
    return int(number) if float(number).is_integer() else float(number)


def sample_answer(rule, frames, fps, duration, wanted, longest, temporal):
    processor = RULES[rule][0](fps=wanted, max_duration=longest, temporal_patch_size=temporal)
    metadata = VideoMetadata(total_num_frames=frames, fps=fps, duration=duration)
    indices = processor.sample_frames(metadata, fps=processor.fps)
    metadata.frames_indices = indices
    seconds = prompt_timestamps(rule, metadata, -(-len(indices) // temporal))
    return len(indices), zlib.crc32(indices.astype("<u8").tobytes()), zlib.crc32(np.array(seconds, "<f8").tobytes())


SMALL = {"shortest_edge": 3136, "longest_edge": 120_000}
DEFAULTS = {
    "size": PUBLISHED_VIDEO,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "do_sample_frames": True,
    "fps": 2,
    "max_duration": 300,
    **CLIP,
}
# num_frames, fps, duration, height, width, then changed options.
CLIPS = [
    (12, 6, None, 62, 90, {}),
    (13, 6, 2.1667, 62, 90, {"fps": 3}),
    (30, 10, 3.0, 47, 33, {"size": SMALL}),
    (31, 10, None, 47, 33, {"size": SMALL, "fps": 7}),
    (5, 1, None, 56, 84, {"size": SMALL, "fps": 4}),
    (1, 25, None, 62, 90, {}),
    (1, 25, None, 62, 90, {"temporal_patch_size": 4}),
    (1, 25, None, 62, 90, {"do_sample_frames": False}),
    (1, 25, 0.1, 62, 90, {}),
    (7, 5, None, 31, 100, {"do_sample_frames": False}),
    (7, None, None, 31, 100, {"do_sample_frames": False}),
    (7, None, None, 31, 100, {}),
    (7, 5, None, 31, 100, {"do_sample_frames": False, "temporal_patch_size": 4}),
    (7, 5, None, 31, 100, {"do_sample_frames": False, "temporal_patch_size": 1}),
    (7, 5, None, 28, 56, {"do_sample_frames": False, "do_resize": False, "temporal_patch_size": 4}),
    (3, 5, None, 28, 56, {"do_sample_frames": False, "do_resize": False, "temporal_patch_size": 4}),
    (40, 8, None, 40, 52, {"size": SMALL, "fps": 3, "temporal_patch_size": 4}),
    (40, 8, None, 40, 52, {"size": SMALL, "fps": 3, "temporal_patch_size": 1}),
    (60, 4, None, 40, 30, {"size": SMALL, "max_duration": 5, "fps": 1}),
    (40, 1, None, 40, 30, {"size": SMALL, "max_duration": 10, "fps": 0.7}),
    (24, 6, None, 120, 160, {"size": PUBLISHED, "patch_size": 16, "merge_size": 3}),
    (24, 6, None, 120, 160, {"size": SMALL, "do_rescale": False}),
    (24, 6, None, 120, 160, {"size": SMALL, "do_normalize": False}),
    (8, 4, None, 200, 201, {"size": {"shortest_edge": 400_000, "longest_edge": 500_000}}),
    (4, 2, None, 4, 801, {}),
]


TOKENS = {"min_image_tokens": 4, "max_image_tokens": 60}
# The same for single rules: limits in tokens, and canvases that are multiples of several tokens.
CLIPS_OF_RULE = {
    "GlmgaVideoProcessor": [
        (12, 6, None, 62, 90, {"patch_expand_factor": 2}),
        (13, 6, 2.1667, 47, 33, {"patch_expand_factor": 3, "size": SMALL, "temporal_patch_size": 1}),
        (40, 8, None, 40, 52, {"max_frames": 6}),
    ],
    "Glm5NextVideoProcessor": [
        (12, 6, None, 62, 90, TOKENS),
        (12, 6, None, 62, 90, {"patch_expand_factor": 2}),
        (31, 10, None, 47, 33, TOKENS | {"patch_expand_factor": 2}),
        (8, 4, None, 200, 201, TOKENS),
        (8, 4, None, 201, 75, TOKENS | {"resample": 2}),
        (7, 5, None, 31, 100, TOKENS | {"do_sample_frames": False, "temporal_patch_size": 4}),
        (1, 25, None, 300, 7, TOKENS | {"do_sample_frames": False}),
        (40, 8, None, 40, 52, TOKENS | {"max_frames": 6, "temporal_patch_size": 1}),
        (60, 4, None, 40, 30, TOKENS | {"max_duration": 5}),
        (24, 6, None, 120, 160, TOKENS | {"patch_size": 16, "merge_size": 3}),
        (40, 8, None, 40, 52, {"max_image_tokens": 4}),
    ],
}


def clip_goldens():
    clips = [(rule, clip) for rule in RULES for clip in CLIPS]
    clips += [(rule, clip) for rule, clips in CLIPS_OF_RULE.items() for clip in clips]
    return {"cases": [clip_case(rule, *clip) for rule, clip in clips]}


def clip_case(rule, frames, fps, duration, height, width, changes):
    options = DEFAULTS | changes | {"video_processor_type": rule}
    case = {"num_frames": frames, "fps": fps, "duration": duration, "height": height, "width": width}
    clip = synthetic(**case)
    try:
        return case | {"options": options} | clip_answer(clip, options)
    except (ValueError, ZeroDivisionError) as error:
        return case | {"options": options, "error": str(error)}


def clip_answer(clip, options):
    """Which frames the reference takes, when they are shown, and checksums of the rows it makes of them."""
    raw = process(clip, options | {"do_rescale": False, "do_normalize": False})
    values = raw["pixel_values_videos"].numpy()
    assert values.min() >= 0 and values.max() <= 255 and (values == np.round(values)).all()
    pixels = process(clip, options)["pixel_values_videos"].numpy()
    metadata = raw["video_metadata"][0]
    grid = raw["video_grid_thw"][0].tolist()
    return {
        "grid_thw": grid,
        "frames_indices": list(map(int, metadata.frames_indices)),
        "timestamps": prompt_timestamps(options["video_processor_type"], metadata, grid[0]),
        "crc32_u8": zlib.crc32(values.astype(np.uint8).tobytes()),
        "crc32_f32": zlib.crc32(pixels.astype("<f4").tobytes()),
    }


def process(clip, options):
    processor = RULES[options["video_processor_type"]][0]
    options = {key: value for key, value in options.items() if key != "video_processor_type"}
    return process_clips(processor(**options), [clip])
