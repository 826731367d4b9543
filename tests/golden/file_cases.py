"""The video files: what PyAV decodes of them, and what the video processors make of that."""

import zlib

from clips import RULES, read_video
from tower_cases import VIDEOS
from video_cases import DEFAULTS, clip_answer

LIMITS = {"published": {}, "small": {"size": {"shortest_edge": 3136, "longest_edge": 20_000}}}


def file_goldens():
    clips = {path.name: read_video(path) for path in sorted(VIDEOS.glob("*.mp4"))}
    options = {name: DEFAULTS | changes for name, changes in LIMITS.items()}
    files = {name: decoded(clip) for name, clip in clips.items()}
    return {"files": files, "options": options, "cases": list(cases(clips, options))}


def decoded(clip):
    """VideoMetadata and the CRC-32 of each frame's RGB bytes. Seconds and rates are text here, as serde_json reads some
    numbers of 17 digits one bit off."""
    count, height, width, _ = clip.frames.shape
    known = {"num_frames": count, "fps": repr(clip.metadata["fps"]), "duration": repr(clip.metadata["duration"])}
    sums = [zlib.crc32(frame.tobytes()) for frame in clip.frames]
    return known | {"height": height, "width": width, "crc32_frames": sums}


def cases(clips, options):
    for video, clip in clips.items():
        for rule in RULES:
            for name, chosen in options.items():
                case = {"video": video, "rule": rule, "options": name}
                answer = clip_answer(clip, chosen | {"video_processor_type": rule})
                yield case | answer | {"timestamps": list(map(repr, answer["timestamps"]))}
