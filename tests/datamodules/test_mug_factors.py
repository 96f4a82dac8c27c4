"""The file of true factors beside MUG's stand-in."""

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.mug_factors import (
    FACTORS,
    TakeFactors,
    frame_views,
    read_factors,
    take_lights,
    write_factors,
)

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


def test_lights_are_thirds_of_the_takes_from_left_to_right():
    azimuths = {"a": 5.0, "b": -60.0, "c": -1.0, "d": 2.0, "e": 90.0, "f": -3.0}
    factors = {name: TakeFactors({}, azimuth, 30.0) for name, azimuth in azimuths.items()}
    lights = take_lights(factors, list("fedcba"))
    assert lights.dtype == np.int64 and lights.tolist() == [0, 2, 1, 1, 0, 2]


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
