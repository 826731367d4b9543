"""Makes the small videos of the folder `packets`, and `packets.json`: the frames that torchcodec returns for them.

    python crates/glm4v-preprocess/tests/media/packets.py

It takes ffmpeg with libx264, libx265, libvpx and libaom, transformers 5.23, torchcodec 0.17 and PyAV. In these videos the
frame of packet i is not the i-th frame: two-pass encoders hide frames, a cut leaves frames without those that they need,
damaged packets have no frame, and two packets can have the fields of one frame. Some videos have a thumbnail as a second
track.

Each video has the rows of each sampling rule. They are checked against a model of torchcodec: after the packet before,
the next frame; otherwise the first frame that is not earlier than the packet. Where torchcodec fails, and in MPEG-TS and
MPEG-PS, where its seeks miss the key frame, the rows are those of the model, or null where the model fails too. Every
video also has the row of each packet by time alone, which does not depend on the other packets that are read.
"""

import json
import subprocess
import zlib
from bisect import bisect_left
from pathlib import Path

import av
import numpy as np
from torchcodec.decoders import VideoDecoder
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor
from transformers.models.glm46v.video_processing_glm46v import Glm46VVideoProcessor
from transformers.models.glm5_next.video_processing_glm5_next import Glm5NextVideoProcessor
from transformers.models.glmga.video_processing_glmga import GlmgaVideoProcessor
from transformers.video_utils import VideoMetadata

from paff import write_paff

HERE = Path(__file__).parent
VIDEOS = HERE / "packets"
SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25,noise=alls=8:allf=t", "-pix_fmt", "yuv420p", "-threads", "1"]
CLEAN = ["-fflags", "+bitexact", "-flags:v", "+bitexact"]
# In MPEG-TS the headers must be in the stream.
GROUPS = "keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1:repeat-headers=1"
CUT = {
    "mpeg2": ["-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-b:v", "40k"],
    "mpeg4": ["-c:v", "mpeg4", "-g", "12", "-bf", "2", "-b:v", "40k"],
    "h264": ["-c:v", "libx264", "-crf", "34", "-x264-params", GROUPS],
    "hevc": ["-c:v", "libx265", "-crf", "34", "-x265-params", f"log-level=none:pools=1:frame-threads=1:{GROUPS}"],
}
CONTAINERS = {"mpeg2": ["mkv", "mp4", "ts", "mpg"], "mpeg4": ["mkv", "mp4"], "h264": ["mkv", "mp4", "ts"], "hevc": ["mkv", "mp4", "ts"]}
TWO_PASS = {
    "vp8": ["-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "16"],
    "vp9": ["-c:v", "libvpx-vp9", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-row-mt", "0"],
    "av1": ["-c:v", "libaom-av1", "-cpu-used", "8", "-lag-in-frames", "16", "-row-mt", "0"],
}
# The processor, and frames a second.
RULES = {
    "Glm4vVideoProcessor": (Glm4vVideoProcessor(), [2, 4, 25]),
    "Glm46VVideoProcessor": (Glm46VVideoProcessor(), [None]),
    "GlmgaVideoProcessor": (GlmgaVideoProcessor(), [2, 25]),
    "Glm5NextVideoProcessor": (Glm5NextVideoProcessor(), [2, 25]),
}
NO_TIME = -(2**63)


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], check=True)


def make_videos(folder):
    for codec, encoder in CUT.items():
        whole = folder / f"whole-{codec}.mkv"
        ffmpeg(*SOURCE, "-frames:v", 75, *encoder, *CLEAN, whole)
        for container in CONTAINERS[codec]:
            ffmpeg("-ss", "1.1", "-i", whole, "-c", "copy", *CLEAN, VIDEOS / f"{codec}-cut.{container}")
    for codec, encoder in TWO_PASS.items():
        passes = [*SOURCE, "-frames:v", 50, *encoder, "-b:v", "40k", "-g", 30, "-passlogfile", folder / codec]
        ffmpeg(*passes, "-pass", 1, "-f", "null", "-")
        ffmpeg(*passes, "-pass", 2, *CLEAN, VIDEOS / f"{codec}-two-pass.webm")
        for container in ["mkv", "mp4"] if codec != "vp8" else ["mkv"]:
            source = VIDEOS / f"{codec}-two-pass.webm"
            ffmpeg("-i", source, "-c", "copy", *CLEAN, VIDEOS / f"{codec}-two-pass.{container}")
    # Times that are finer than the frame rate put a hidden frame between two others.
    passes = [*SOURCE, "-frames:v", 50, "-enc_time_base", "1/1000", *TWO_PASS["vp8"], "-b:v", "1000k", "-g", 30]
    passes += ["-passlogfile", folder / "fine"]
    ffmpeg(*passes, "-pass", 1, "-f", "null", "-")
    ffmpeg(*passes, "-pass", 2, *CLEAN, VIDEOS / "vp8-fine.webm")
    thumbnail = folder / "thumbnail.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120", "-frames:v", 1, "-c:v", "mjpeg", "-q:v", 2, *CLEAN, thumbnail)
    for container in ["mp4", "mov", "mkv"]:
        both = ["-i", VIDEOS / "h264-cut.mp4", "-i", thumbnail, "-c", "copy", "-disposition:v", "default", *CLEAN]
        ffmpeg(*both, "-map", 0, "-map", 1, VIDEOS / f"thumbnail-behind.{container}")
        ffmpeg(*both, "-map", 1, "-map", 0, VIDEOS / f"thumbnail-before.{container}")
    for container in ["mkv", "mp4"]:
        write_paff(VIDEOS / f"paff.{container}", fields=False)
        write_paff(VIDEOS / f"paff-fields.{container}", fields=True)
    # ffmpeg makes two packets of the fields, of which the second has no time in the file.
    write_paff(VIDEOS / "paff.ts", fields=False)
    write_paff(VIDEOS / "paff-fields.ts", fields=True)
    ffmpeg("-i", VIDEOS / "paff.ts", "-c", "copy", *CLEAN, VIDEOS / "paff-copied.mp4")
    # The frame before a key frame: what a decoder makes of the frames that need a damaged one depends on its version.
    damage(VIDEOS / "vp9-two-pass.webm", VIDEOS / "vp9-damaged.webm", 29)
    damage(VIDEOS / "hevc-cut.mp4", VIDEOS / "hevc-damaged.mp4", 30)
    damage(VIDEOS / "av1-two-pass.webm", VIDEOS / "av1-damaged.webm", 29)


def damage(source, target, packet):
    """Overwrites the begin of a packet."""
    with av.open(str(source)) as container:
        found = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data, payload = source.read_bytes(), found[packet]
    assert data.count(payload) == 1
    length = min(len(payload), 24)
    target.write_bytes(data.replace(payload, b"\0" * length + payload[length:]))


def packets(path, stream):
    """The time of each packet that is shown, sorted, and whether the file has them all. A packet without a time has that of
    the packet before it. ffprobe reads MPEG-PS as torchcodec does, if both have one version of
    ffmpeg; PyAV has another version."""
    entries = ["-select_streams", stream, "-show_entries", "packet=pts,dts,flags", "-of", "json", path]
    report = subprocess.run(["ffprobe", "-v", "error", *map(str, entries)], check=True, capture_output=True).stdout
    shown = [packet for packet in json.loads(report)["packets"] if "D" not in packet["flags"]]
    times, are_timed = [], True
    for packet in shown:
        before = times[-1] if times else NO_TIME
        times.append(packet.get("pts", packet.get("dts", before)))
        are_timed &= "pts" in packet or "dts" in packet
    return sorted(times), are_timed


def decoded(path, stream):
    """The times and checksums of the frames, and whether a packet is refused."""
    times, sums, refused = [], [], False
    with av.open(str(path)) as container:
        stream = container.streams[stream]
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                refused = True
                continue
            for frame in frames:
                times.append(frame.pts)
                sums.append(zlib.crc32(frame.to_ndarray(format="rgb24").tobytes()))
    return times, sums, refused


def model(indices, packets, times):
    """The numbers of the frames; None where there is no frame."""
    next_index, next_frame, numbers = 0, 0, []
    for index in indices:
        if index == next_index - 1:
            numbers.append(numbers[-1])
            continue
        frame = next_frame if index == next_index else bisect_left(times, packets[index])
        if frame >= len(times):
            return None
        numbers.append(frame)
        next_index, next_frame = index + 1, frame + 1
    return numbers


def by_time(packets, times, refused):
    """The number of the frame of each packet, and how many packets have no frame of their own."""
    numbers, replaced = [], 0
    for index, time in enumerate(packets):
        first, place = bisect_left(times, time), index - bisect_left(packets, time)
        own = first + place < len(times) and times[first + place] == time
        replaced += not own
        if own:
            numbers.append(first + place)
        elif first < len(times) and (times[first] == time or not refused):
            numbers.append(first)
        else:
            numbers.append(max(first - 1, 0))
    return numbers, replaced


def answer(path):
    decoder = VideoDecoder(str(path), seek_mode="exact")
    (shown, are_timed), (times, sums, refused) = packets(path, decoder.stream_index), decoded(path, decoder.stream_index)
    assert times == sorted(times)
    known = decoder.metadata
    metadata = VideoMetadata(total_num_frames=known.num_frames, fps=known.average_fps, duration=known.duration_seconds)
    assert known.num_frames == len(shown)
    numbers, replaced = by_time(shown, times, refused)
    answer = {"num_frames": known.num_frames, "height": known.height, "width": known.width}
    if are_timed:
        answer |= {"fps": repr(known.average_fps), "duration": repr(known.duration_seconds)}
    answer |= {"by_time": [sums[number] for number in numbers], "replaced": replaced, "rules": []}
    for name, (processor, rates) in RULES.items():
        for rate in rates if are_timed else []:
            indices = [int(index) for index in processor.sample_frames(metadata, fps=rate)]
            rows = rule_rows(path, indices, shown, times, sums, refused)
            answer["rules"].append({"rule": name, "fps": rate, "indices": indices, "crc32": rows})
    return answer


def rule_rows(path, indices, shown, times, sums, refused):
    expected = None if refused else model(indices, shown, times)
    rows = expected and [sums[number] for number in expected]
    if path.suffix in {".ts", ".mpg"}:
        return rows
    try:
        frames = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=0).get_frames_at(indices).data
    except RuntimeError:
        assert rows is None, path
        return None
    found = [zlib.crc32(np.ascontiguousarray(frame.permute(1, 2, 0).numpy()).tobytes()) for frame in frames]
    if found != rows:
        other = [index for index, row, found in zip(indices, rows or found, found) if row != found]
        print(path.name, "packets whose frame is not that of the model:", other if rows else "all")
    return found


def main():
    import tempfile

    VIDEOS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make_videos(Path(folder))
    golden = {path.name: answer(path) for path in sorted(VIDEOS.iterdir())}
    (HERE / "packets.json").write_text(json.dumps(golden, separators=(",", ":")).replace("},\"", "},\n\"") + "\n")


if __name__ == "__main__":
    main()
