"""Inputs of every kind, and the errors of those that are refused."""

import io
import warnings

import glm4v
import numpy as np
import pytest
from conftest import IMAGES, VIDEOS, frame
from PIL import Image, ImageOps

MODES = ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "RGBX", "I;16"]


@pytest.fixture(scope="module")
def pixels():
    return frame(0, 84, 56)


def values(encoder, *inputs):
    return [item.embeddings for item in encoder.encode(list(inputs))]


def same(encoder, *inputs):
    first, *others = values(encoder, *inputs)
    return all(np.array_equal(first, other) for other in others)


def test_an_image_is_the_same_in_every_form(encoder, pixels):
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    png.seek(0)
    forms = [
        pixels,
        np.asfortranarray(pixels),
        np.moveaxis(pixels, -1, 0),
        np.flip(np.flip(pixels, 0).copy(), 0),
        np.dstack([pixels, np.full((84, 56), 7, np.uint8)]),
        Image.fromarray(pixels),
        png.getvalue(),
        bytearray(png.getvalue()),
        memoryview(png.getvalue()),
        png,
    ]
    assert same(encoder, *forms)


def test_gray_arrays_have_one_channel_or_none(encoder, pixels):
    gray = pixels[:, :, 0]
    assert same(encoder, gray, gray[:, :, None], gray[None], np.repeat(gray[:, :, None], 3, 2), Image.fromarray(gray))


@pytest.mark.parametrize("mode", MODES)
def test_pillow_converts_its_modes(encoder, pixels, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if mode == "I;16":
            image = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 200)
        elif mode == "LAB":
            image = Image.frombytes("LAB", (56, 84), pixels.tobytes())
        elif mode == "PA":
            image = Image.fromarray(pixels).convert("P").convert("PA")
        elif mode == "RGBX":
            image = Image.frombytes("RGBX", (56, 84), np.dstack([pixels, pixels[:, :, :1]]).tobytes())
        else:
            image = Image.fromarray(pixels).convert(mode)
        assert image.mode == mode
        assert same(encoder, image, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("name", [f"exif-{orientation}.jpg" for orientation in range(1, 9)] + ["exif-6.png", "exif-6.webp"])
def test_exif_of_pillow_images_is_applied(encoder, name):
    image = Image.open(IMAGES / name)
    turned = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert same(encoder, image, turned, IMAGES / name, str(IMAGES / name), (IMAGES / name).read_bytes())


def test_files_are_named(encoder):
    path = IMAGES / "rgb-60x83.png"
    with open(path, "rb") as file:
        (item,) = encoder.encode([file])
    assert item.name == str(path)
    assert (item.index, item.kind, item.size) == (0, "image", (83, 60))
    assert (item.frames_indices, item.timestamps, item.warnings) == (None, None, [])
    t, h, w = item.grid_thw
    assert item.embeddings.shape == (t * h * w // 4, encoder.out_hidden_size)
    assert item.embeddings.dtype == np.float32
    assert item.embeddings.flags.c_contiguous and item.embeddings.flags.writeable


def test_a_video_is_the_same_in_every_form(encoder):
    frames = np.stack([frame(index, 60, 80) for index in range(6)])
    videos = [
        frames,
        np.moveaxis(frames, -1, 1),
        list(frames),
        [Image.fromarray(image) for image in frames],
        np.concatenate([frames, frames[..., :1]], -1),
    ]
    items = encoder.encode([glm4v.Video(video, fps=2) for video in videos])
    assert all(np.array_equal(items[0].embeddings, item.embeddings) for item in items)
    assert (items[0].kind, items[0].frames_indices, items[0].timestamps) == ("video", [0, 1, 2, 3, 4, 5], [0.0, 1.0, 2.0])


def test_animations_and_folders_are_videos(encoder, tmp_path):
    (animation,) = encoder.encode([IMAGES / "animated.gif"])
    assert animation.kind == "video"
    (still,) = encoder.encode([IMAGES / "animated.gif"], first_frame_only=True)
    assert still.kind == "image"
    frames = np.stack([frame(index, 60, 80) for index in range(4)])
    for index, image in enumerate(frames):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (folder,) = encoder.encode([tmp_path], source_fps=2)
    (memory,) = encoder.encode([glm4v.Video(frames, fps=2)])
    assert np.array_equal(folder.embeddings, memory.embeddings)


def test_mixed_inputs_keep_their_order(encoder, pixels):
    png = (IMAGES / "rgb-20x47.png").read_bytes()
    inputs = [IMAGES / "rgb-60x83.png", Image.fromarray(pixels), png, pixels, glm4v.Video([pixels] * 4, fps=2)]
    items = encoder.encode(iter(inputs))
    assert [item.index for item in items] == [0, 1, 2, 3, 4]
    assert [item.kind for item in items] == ["image"] * 4 + ["video"]
    for item, input in zip(items, inputs):
        assert np.array_equal(item.embeddings, values(encoder, input)[0])


def test_refused_inputs_say_why(encoder, pixels, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image")
    cases = [
        (IMAGES / "no-such.png", "no-such.png: cannot be read"),
        (text, "unknown format"),
        (b"", "unknown format: the file is empty"),
        ((IMAGES / "chelsea.png").read_bytes()[:5000], "damaged, cut off"),
        (pixels.astype(np.float32), "expected uint8 values from 0 to 255, found float32"),
        (pixels[:, :, :2], "expected 1, 3 or 4 channels, first or last, found shape [84, 56, 2]"),
        (np.zeros((4, 84, 56, 3), np.uint8), "glm4v.Video(frames, fps=…)"),
        (np.zeros((0, 56, 3), np.uint8), "0"),
        (np.zeros(7, np.uint8), "found shape [7]"),
        (glm4v.Video(pixels, fps=2), "expected frames of 4 dimensions"),
        (glm4v.Video([pixels, pixels[1:]], fps=2), "must have one size"),
        (glm4v.Video([], fps=2), "at least 1 frame"),
        (glm4v.Video([pixels] * 4, fps=0), "positive number of frames a second"),
        (glm4v.Video([pixels] * 4, fps="fast"), "fps: expected a number, found 'fast'"),
        (Image.frombytes("RGB", (900, 4), bytes(900 * 4 * 3)), "more than 200 times"),
        (io.StringIO("text"), 'open it with mode "rb"'),
        (VIDEOS.joinpath("b-frames.mp4").read_bytes(), "cannot be read from memory"),
        (None, "found NoneType"),
        (3, "found int"),
    ]
    results = encoder.encode([case for case, _ in cases] + [pixels], errors="return")
    for index, ((_, message), error) in enumerate(zip(cases, results)):
        assert isinstance(error, glm4v.InputError), (index, error)
        assert message in str(error), (index, str(error))
        assert error.index == index
        assert error.name is not None and error.name in str(error)
    assert np.array_equal(results[-1].embeddings, values(encoder, pixels)[0])


def test_the_first_error_is_raised(encoder, pixels):
    with pytest.raises(ValueError, match="no-such.png"):
        encoder.encode([pixels, IMAGES / "no-such.png", None])
    with pytest.raises(glm4v.InputError, match="NoneType") as caught:
        encoder.encode([None])
    assert isinstance(caught.value.__cause__, TypeError)


def test_one_input_is_no_list(encoder, pixels):
    for input in ("cat.jpg", b"", pixels, Image.fromarray(pixels), glm4v.Video([], 1), IMAGES):
        with pytest.raises(TypeError, match="encode\\(\\[input\\]\\)"):
            encoder.encode(input)
    with pytest.raises(glm4v.InputError, match='expected "raise" or "return"'):
        encoder.encode([], errors="ignore")
    assert encoder.encode([]) == []


def test_streams_take_inputs_as_they_are_needed(encoder, pixels):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield np.full((560, 560, 3), taken % 256, np.uint8)

    stream = encoder.encode_iter(endless())
    assert taken == 0
    for index in range(30):
        assert next(stream).index == index
    assert 30 <= taken < 300
    stream.close()


def test_an_exception_of_the_iterator_comes_after_its_inputs(encoder, pixels):
    def broken():
        yield pixels
        yield pixels
        raise KeyError("broken")

    stream = encoder.encode_iter(broken())
    assert [next(stream).index, next(stream).index] == [0, 1]
    with pytest.raises(KeyError, match="broken"):
        next(stream)


def test_an_iterator_can_use_the_encoder(encoder, pixels):
    def crops():
        for _ in range(3):
            (item,) = encoder.encode([pixels])
            yield pixels[: 28 * (1 + len(item.embeddings) % 3)]

    assert len(encoder.encode(crops())) == 3


def test_the_processor_keeps_images_and_videos_apart(encoder, pixels):
    video = glm4v.Video([pixels] * 4, fps=2)
    found = encoder.processor(images=[pixels, pixels], videos=video)
    assert list(found) == ["pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw"]
    assert found["image_grid_thw"].dtype == np.int64
    assert found["pixel_values"].shape == (found["image_grid_thw"].prod(-1).sum(), 1176)
    assert found["video_grid_thw"].shape == (1, 3)
    assert list(encoder.processor(images=pixels)) == ["pixel_values", "image_grid_thw"]
    assert encoder.processor(images=[])["pixel_values"].shape[0] == 0
    with pytest.raises(glm4v.InputError, match="expected images only, found the video at index 1"):
        encoder.processor(images=[pixels, video])
    with pytest.raises(glm4v.InputError, match="expected videos only, found the image"):
        encoder.processor(videos=[pixels])
    with pytest.raises(glm4v.InputError, match="NoneType"):
        encoder.processor(images=[None])
