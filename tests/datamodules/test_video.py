import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from datamodules.errors import DataError
from datamodules.standins.videos import write_video
from datamodules.video import count_frames, decode_video, read_video

COUNT = 40
UNEVEN = np.cumsum(np.random.default_rng(0).integers(5, 120, COUNT)).tolist()


def pictures(count=COUNT, height=48, width=64):
    """Frames whose shade at the bottom tells their number, with a square that moves."""
    for number in range(count):
        pixels = np.full((height, width, 3), 60, np.uint8)
        pixels[8:20, number : number + 12] = 200
        pixels[28:] = shade(number)
        yield pixels


def shade(number):
    return 20 + 4 * number


def read_off(picture):
    """The number that a frame shows, and by how much its shade is off."""
    value = float(picture[34:, 10:30].mean())
    number = round((value - 20) / 4)
    return number, abs(value - shade(number))


@pytest.fixture(params=["mp4", "avi", "uneven mp4"])
def video(request, tmp_path):
    times = UNEVEN if request.param == "uneven mp4" else None
    path = tmp_path / f"video.{request.param.split()[-1]}"
    write_video(path, pictures(), times=times)
    return path


def test_every_frame_comes_once_in_the_order_it_is_shown(video):
    found = list(read_video(video))
    assert [number for number, _ in found] == list(range(COUNT))
    for number, picture in found:
        assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
        shown, off = read_off(picture)
        assert shown == number and off < 1.9
    assert count_frames(video) == COUNT


def test_a_rate_times_a_duration_would_not_count_the_frames(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, pictures(), times=UNEVEN)
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        guess = float(stream.duration * stream.time_base * stream.base_rate)
        spans = np.diff([frame.time for frame in container.decode(stream)])
    assert abs(guess - COUNT) > 3 and spans.max() > 4 * spans.min()
    assert count_frames(path) == COUNT


def test_h264_is_written_with_frames_out_of_order(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, pictures())
    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert times != sorted(times)  # so the order of frames above is no accident


def test_only_wanted_frames_become_pictures(video):
    found = dict(read_video(video, {3, 4, 39, 99}))
    assert sorted(found) == [3, 4, 39]
    assert read_off(found[39])[0] == 39


def test_pixels_and_bytes_are_the_same_from_run_to_run(video, tmp_path):
    again = tmp_path / f"again{video.suffix}"
    uneven = av.open(str(video)).streams.video[0].average_rate != 30
    write_video(again, pictures(), times=UNEVEN if uneven else None)
    assert again.read_bytes() == video.read_bytes()
    runs = [dict(read_video(video, threads=threads)) for threads in (0, 1, 2, 3)]
    for run in runs[1:]:
        assert all(np.array_equal(run[number], runs[0][number]) for number in range(COUNT))


def test_odd_sizes_and_turned_frames(tmp_path):
    odd = tmp_path / "odd.avi"
    write_video(odd, pictures(3, 49, 67))
    assert [picture.shape for _, picture in read_video(odd)] == [(49, 67, 3)] * 3
    for turn, corner in ((90, (-2, -2)), (-90, (2, 2)), (180, (2, 2))):
        path = tmp_path / f"turned{turn}.mp4"
        write_video(path, pictures(3), turn=turn)
        (_, picture), *_ = read_video(path)
        assert picture.shape == ((48, 64, 3) if turn == 180 else (64, 48, 3))
        # The dark bottom went to the right, to the left, and up.
        assert picture[corner].mean() < 30 and picture[-corner[0], -corner[1]].mean() > 50


def damage(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 120] = b"\xff" * 120
    path.write_bytes(data)


def told_and_found(path, threads):
    told = []
    found = list(read_video(path, bad=lambda *item: told.append(item), threads=threads))
    return told, found


def test_damaged_frames_are_told_and_keep_their_numbers(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, pictures())
    damage(path)
    runs = []
    for threads in (0, 1, 3):
        told, found = told_and_found(path, threads)
        numbers = [number for number, _ in found]
        assert 1 <= len(told) < 15 and "packet of frame" in told[0][1]
        assert sorted(numbers + [number for number, _ in told]) == list(range(COUNT))
        assert read_off(found[0][1])[0] == 0
        runs.append((told, [picture.tobytes() for _, picture in found]))
    assert runs[0] == runs[1] == runs[2]
    told = []
    assert count_frames(path, bad=lambda *item: told.append(item)) == COUNT
    assert told == runs[0][0]
    first = told[0][0]
    with pytest.raises(DataError, match=rf"video\.mp4: frame {first} does not decode.*unpack it"):
        list(read_video(path))
    with pytest.raises(DataError, match=rf"frame {first} does not decode"):
        count_frames(path)


def test_whoever_is_told_may_stop(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, pictures())
    damage(path)

    def stop(number, reason):
        raise KeyError(number)

    with pytest.raises(KeyError):
        list(decode_video(path, bad=stop))


def test_missing_empty_and_cut_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.mp4 cannot be read as a video: No such file"):
        next(read_video(tmp_path / "none.mp4"))
    path = tmp_path / "video.mp4"
    write_video(path, pictures())
    for content in (b"", b"no video at all", path.read_bytes()[: path.stat().st_size // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"video\.mp4 cannot be read.*Copy or unpack it again"):
            count_frames(path)
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode()])
    with pytest.raises(DataError, match=r"sound\.wav cannot be read.*it holds no video"):
        next(read_video(sound))


def test_a_video_shorter_than_it_says_is_named(tmp_path, caplog):
    path = tmp_path / "video.avi"
    write_video(path, pictures())
    data = path.read_bytes()
    path.write_bytes(data[: int(0.8 * len(data))])
    told = []
    count = count_frames(path, bad=lambda *item: told.append(item))
    assert 0 < count < COUNT
    assert f"video.avi says that it has {COUNT} frames, and has {count}" in caplog.text


def test_frames_are_decoded_as_they_are_asked_for(tmp_path):
    path = tmp_path / "video.mp4"
    write_video(path, pictures())
    damage(path)
    frames = read_video(path, threads=1)  # a later frame would stop it
    assert [next(frames)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="does not decode"):
        list(frames)


def test_real_faces_survive(tmp_path):
    folder = os.environ.get("WHATWHERE_REAL_DATA")
    if not folder or not (Path(folder) / "talking_face_clips").is_dir():
        pytest.skip("WHATWHERE_REAL_DATA is not set: no real faces at hand")
    names = sorted((Path(folder) / "talking_face_clips/franck").glob("*.jpg"))[:60]
    real = [np.asarray(Image.open(name).convert("RGB")) for name in names]
    for ending in ("mp4", "avi"):
        path = tmp_path / f"face.{ending}"
        write_video(path, real)
        found = [picture for _, picture in read_video(path)]
        assert len(found) == 60
        for number, picture in enumerate(found):
            # The frame itself is nearer than any a tenth of a second away.
            off = [np.abs(picture.astype(float) - real[k]).mean() for k in range(60)]
            assert abs(int(np.argmin(off)) - number) <= 2 and off[number] < 6
