"""The file of true factors beside MUG's stand-in."""

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.mug_factors import FACTORS, TakeFactors, frame_views, read_factors, write_factors

FOUND = {
    "001/fear/take000": TakeFactors({5: -3.25, 6: 0.0, 7: 4.5}, 31.0, 12.5),
    "002/session1/anger/take001": TakeFactors({90: 1.125}, -7.0, 0.0),
}


def test_what_was_written_is_read_again(tmp_path):
    write_factors(tmp_path, FOUND.items())
    lines = (tmp_path / FACTORS).read_text().splitlines()
    assert lines[:2] == [
        "take,frame,yaw,light_azimuth,light_elevation",
        "001/fear/take000,5,-3.250,31.000,12.500",
    ]
    assert read_factors(tmp_path) == FOUND


@pytest.mark.parametrize(
    ("azimuth", "light"), [(-99, 0), (-20, 0), (-19.9, 1), (0, 1), (19.9, 1), (20, 2), (99, 2)]
)
def test_a_light_is_on_a_side_or_in_the_middle(azimuth, light):
    assert TakeFactors({}, azimuth, 30).light == light


def test_views_are_of_frames_by_their_numbers():
    takes = [("002/session1/anger/take001", [90]), ("001/fear/take000", [5, 7])]
    views = frame_views(FOUND, takes)
    assert views.dtype == np.float32 and views.tolist() == [1.125, -3.25, 4.5]
    with pytest.raises(DataError, match="no frame 91"):
        frame_views(FOUND, [("002/session1/anger/take001", [91])])


@pytest.mark.parametrize("content", [None, b"", b"take\n001/fear/take000,5\n", b"\xff"])
def test_a_damaged_file_is_named_with_its_remedy(tmp_path, content):
    if content is not None:
        (tmp_path / FACTORS).write_bytes(content)
    with pytest.raises(DataError, match=r"factors\.csv: no table of take, frame.*is written anew"):
        read_factors(tmp_path)
