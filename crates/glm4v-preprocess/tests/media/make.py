"""Makes the small clips of this folder and `media.json`: what transformers 5.23, PyAV and Pillow read from them.

    python crates/glm4v-preprocess/tests/media/make.py

It takes ffmpeg with libx264, transformers 5.23, torchcodec 0.17 (which transformers reads videos with), PyAV and
Pillow. Frames are recorded as the CRC-32 of their RGB bytes, row by row: of a video, PyAV's, turned as torchcodec turns
them (and equal to torchcodec's, which is checked here); of an animation, Pillow's, laid over white.
"""

import json
import subprocess
import zlib
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence
from torchcodec.decoders import VideoDecoder
from transformers.video_utils import load_video

HERE = Path(__file__).parent


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], check=True)


def make_videos():
    noise = "testsrc2=s=98x62:r=25,noise=alls=12:allf=t"
    x264 = ["-c:v", "libx264", "-bf", "3", "-preset", "slow", "-crf", "30", "-threads", "1", "-fflags", "+bitexact"]
    source = ["-f", "lavfi", "-i", noise, "-frames:v", "40", "-pix_fmt", "yuv420p"]
    ffmpeg(*source, *x264, HERE / "b-frames.mp4")
    # For ffmpeg 5; since 6 the angle is an option of the input, -display_rotation.
    ffmpeg("-i", HERE / "b-frames.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", HERE / "rotated.mov")
    uneven = "setpts='if(lt(N,10),N,10+(N-10)*3)/25/TB'"
    source = ["-f", "lavfi", "-i", f"{noise},{uneven}", "-frames:v", "24", "-fps_mode", "vfr", "-pix_fmt", "yuv420p"]
    ffmpeg(*source, *x264, HERE / "uneven.mkv")
    # Starts between key frames: the frames before it are in the file, and its edit list hides them.
    ffmpeg("-ss", "0.5", "-i", HERE / "b-frames.mp4", "-c", "copy", HERE / "edited.mp4")


def pictures(count, alpha):
    """Discs that move over noise, with soft edges where alpha is."""
    y, x = np.mgrid[0:30, 0:46]
    for index in range(count):
        noise = np.random.RandomState(index).randint(0, 256, (30, 46, 3))
        distance = np.hypot(x - 6 - 5 * index, y - 12 - index)
        cover = np.clip(11 - distance, 0, 1)
        rgb = np.where(cover[..., None] > 0, noise, 0).astype(np.uint8)
        if not alpha:
            yield Image.fromarray(noise.astype(np.uint8))
        else:
            a = np.round(cover * 255) if alpha == "soft" else (cover > 0) * 255
            yield Image.fromarray(np.dstack([rgb, a.astype(np.uint8)]), "RGBA")


def make_animations():
    delays = [50, 200, 10, 0, 120, 30]
    def save(name, frames, **options):
        first, *rest = frames
        first.save(HERE / name, save_all=True, append_images=rest, duration=delays, loop=0, **options)
    save("plain.gif", pictures(6, None))
    for disposal in (1, 2, 3):
        save(f"disposal-{disposal}.gif", pictures(6, "hard"), disposal=disposal)
    for blend in (0, 1):
        save(f"hard-{blend}.png", pictures(6, "hard"), blend=blend, disposal=blend)
    save("soft.png", pictures(6, "soft"), blend=0, disposal=0)
    save("lossless.webp", pictures(6, "hard"), lossless=True, allow_mixed=False)
    save("soft.webp", pictures(6, "soft"), lossless=True)
    save("mixed.webp", pictures(6, "soft"), allow_mixed=True, quality=60)
    save("lossy.webp", pictures(6, None), lossless=False, quality=60)


def crcs(frames):
    return [zlib.crc32(np.ascontiguousarray(frame).tobytes()) for frame in frames]


def video(path):
    _, metadata = load_video(str(path), backend="torchcodec")
    decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=0)
    # The same angle, as torchcodec rounds it: counter-clockwise quarters.
    quarters = round((decoder.metadata.rotation or 0) / 90)
    with av.open(str(path)) as container:
        frames = [np.rot90(frame.to_ndarray(format="rgb24"), quarters) for frame in container.decode(video=0)]
    for frame, own in zip(frames, decoder, strict=True):
        assert np.array_equal(frame, own.permute(1, 2, 0).numpy())
    return {
        "num_frames": metadata.total_num_frames,
        "fps": metadata.fps,
        "duration": metadata.duration,
        "height": metadata.height,
        "width": metadata.width,
        "crc32": crcs(frames),
    }


def animation(path):
    frames = []
    with Image.open(path) as picture:
        for frame in ImageSequence.Iterator(picture):
            canvas = Image.new("RGBA", frame.size, "white")
            canvas.alpha_composite(frame.convert("RGBA"))
            frames.append(np.asarray(canvas.convert("RGB")))
    if path.suffix == ".gif":
        for frame, own in zip(frames, VideoDecoder(str(path)), strict=True):
            assert np.array_equal(frame, own.permute(1, 2, 0).numpy()), path
    answer = {"height": frames[0].shape[0], "width": frames[0].shape[1], "crc32": crcs(frames)}
    try:
        metadata = VideoDecoder(str(path), seek_mode="exact").metadata
        answer |= {"fps": metadata.average_fps, "duration": metadata.duration_seconds}
    except (RuntimeError, ValueError) as error:
        print(path.name, "is not read by torchcodec:", error)
    return answer


def main():
    make_videos()
    make_animations()
    videos = sorted([*HERE.glob("*.mp4"), *HERE.glob("*.mov"), *HERE.glob("*.mkv")])
    animations = sorted([*HERE.glob("*.gif"), *HERE.glob("*.png"), *HERE.glob("*.webp")])
    golden = {
        "videos": {path.name: video(path) for path in videos},
        "animations": {path.name: animation(path) for path in animations},
    }
    (HERE / "media.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
