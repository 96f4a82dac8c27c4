"""Films as files: what is read back, whether it is the same each time, and what is refused."""

import av
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError
from PIL import Image

from benchmarks import video_files
from benchmarks.video_files import FPS, write_gif, write_mp4

SKIN, SKY = (200, 120, 40), (30, 60, 190)


def film(frames=5, height=61, width=83):
    """A square of one colour that moves to the right over another one."""
    made = np.full((frames, height, width, 3), SKY, np.uint8)
    for step, frame in enumerate(made):
        frame[20:44, 8 + 6 * step : 32 + 6 * step] = SKIN
    return made


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return stream, np.stack(shown)


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_an_mp4_holds_every_frame_in_its_colours(tmp_path, monkeypatch, encoder):
    try:
        av.Codec(encoder, "w")
    except UnknownCodecError:
        pytest.skip(f"this build of FFmpeg has no {encoder}")
    options = {encoder: video_files.ENCODERS[encoder]}
    monkeypatch.setattr(video_files, "ENCODERS", options)
    frames = film()
    stream, shown = read(write_mp4(tmp_path / "a.mp4", iter(frames)))
    # Odd sides are made even.
    assert shown.shape == (5, 62, 84, 3) and stream.average_rate == FPS
    assert stream.codec_context.pix_fmt == "yuv420p" and stream.codec_context.colorspace == 1
    for step, frame in enumerate(shown):
        left = 8 + 6 * step
        assert np.abs(frame[26:38, left + 6 : left + 18] - np.array(SKIN)).max() <= 8
        assert np.abs(frame[26:38, :4] - np.array(SKY)).max() <= 8
    assert np.abs(shown[0, :61, :83].astype(float) - frames[0]).mean() < 3


def test_h264_is_taken_where_it_is():
    assert next(iter(video_files.ENCODERS)) == "libx264"
    try:
        av.Codec("libx264", "w")
    except UnknownCodecError:
        pytest.skip("this build of FFmpeg has no libx264")
    assert video_files._encoder() == "libx264"


def test_without_any_encoder_it_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(video_files, "ENCODERS", {"no-such-codec": {}})
    with pytest.raises(OSError, match="none of the encoders no-such-codec"):
        write_mp4(tmp_path / "a.mp4", film())
    monkeypatch.setattr(video_files, "ENCODERS", {"no-such-codec": {}, "mpeg4": {}})
    assert video_files._encoder() == "mpeg4" and "no H.264" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_gif_plays_for_ever_in_its_own_colours(tmp_path):
    frames = film()
    with Image.open(write_gif(tmp_path / "a.gif", iter(frames))) as image:
        assert image.n_frames == 5 and image.size == (83, 61)
        assert image.info["loop"] == 0
        for step, frame in enumerate(frames):
            image.seek(step)
            assert image.info["duration"] == 1000 / FPS
            np.testing.assert_allclose(np.asarray(image.convert("RGB")), frame, atol=2)


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_the_same_frames_give_the_same_bytes(tmp_path, write):
    # Of this size two thirds differed while x264 weighed blocks by what refers to them.
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 10, 38, 3), dtype=np.uint8)
    frames = coarse.repeat(8, 1).repeat(8, 2)
    found = set()
    for _ in range(12):
        # Memory that is freed here is what an encoder gets that reads what nobody wrote.
        _junk = [rng.bytes(int(size)) for size in rng.integers(1000, 400_000, 4)]
        found.add(write(tmp_path / "a", frames).read_bytes())
    assert len(found) == 1 and len(found.pop()) > 1000


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_a_film_that_breaks_off_leaves_the_old_file(tmp_path, write):
    path = write(tmp_path / "a", film())
    old = path.read_bytes()

    def torn():
        yield from film()
        raise RuntimeError("the painter is ill")

    with pytest.raises(RuntimeError, match="ill"):
        write(path, torn())
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_frames_of_two_sizes_and_none_at_all_are_refused(tmp_path, write):
    with pytest.raises(ValueError, match="at least one frame"):
        write(tmp_path / "a", [])
    with pytest.raises(ValueError, match=r"\(61, 83, 3\); got \(60, 83, 3\)"):
        write(tmp_path / "a", [*film(2), *film(1, height=60)])
    with pytest.raises(ValueError, match="float64"):
        write(tmp_path / "a", film() / 255)
    assert list(tmp_path.iterdir()) == []
