import numpy as np
import pytest

from datamodules.affwild_labels import (
    counts_boxes,
    in_thousandths,
    of_frames,
    read_axis,
    read_pairs,
)
from datamodules.errors import DataError


def file(tmp_path, text, name="105.txt"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_a_number_a_line(tmp_path):
    path = file(tmp_path, "0.5\n-0.25\r\n1\n\n")
    assert read_axis(path).tolist() == [0.5, -0.25, 1]
    for text, line in (("0.5\nx\n", 2), ("0.5\n\n0.1\n", 2), ("0.5,0.1\n", 1), ("nan\n", 1)):
        with pytest.raises(DataError, match=rf"105\.txt, line {line} is .* Unpack"):
            read_axis(file(tmp_path, text))
    with pytest.raises(DataError, match=r"105\.txt is empty"):
        read_axis(file(tmp_path, "\n\n"))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_axis(tmp_path / "none.txt")


def test_thousandths_are_told_by_the_whole_copy(tmp_path):
    def scaled(*columns):
        return in_thousandths((tmp_path, np.array(column, float)) for column in columns)

    assert not scaled([0.5, -1], [0, 1], [0.0])
    assert scaled([0, 1, 0], [250, -1000])
    with pytest.raises(DataError, match=r"line 2 has 1\.5: valence and arousal are from -1 to 1"):
        scaled([0, 1.5])
    with pytest.raises(DataError, match="line 1 has 1001"):
        scaled([1001, 3])


def test_pairs_of_the_second_edition(tmp_path):
    path = file(tmp_path, "valence,arousal\n0.5,-0.25\n-5,-5\n-5.0,0.5\n1,-1\n")
    np.testing.assert_array_equal(
        read_pairs(path), [[0.5, -0.25], [np.nan] * 2, [np.nan] * 2, [1, -1]]
    )
    for text, line in (("valence,arousal\n0.5,2\n", 2), ("valence,arousal\n0,0\n0.5,-4\n", 3)):
        with pytest.raises(DataError, match=rf"line {line} has"):
            read_pairs(file(tmp_path, text))
    with pytest.raises(DataError, match=r"line 3 is '0\.5', not 2 numbers"):
        read_pairs(file(tmp_path, "valence,arousal\n0,0\n0.5\n"))
    with pytest.raises(DataError, match=r"line 1 is '0\.5,0\.2', not 'valence,arousal'"):
        read_pairs(file(tmp_path, "0.5,0.2\n"))


def test_label_k_belongs_to_frame_k_plus_one():
    labels = np.arange(6.0).reshape(3, 2) / 10
    found = of_frames(labels, np.array([0, 1, 3, 4]))
    np.testing.assert_array_equal(found, [[np.nan] * 2, [0, 0.1], [0.4, 0.5], [np.nan] * 2])


def test_labels_that_count_boxes():
    gappy = np.array([1, 2, 5, 6])
    assert counts_boxes(4, gappy)
    assert not counts_boxes(6, gappy) and not counts_boxes(7, gappy)
    assert not counts_boxes(5, gappy) and not counts_boxes(3, gappy)
    assert not counts_boxes(4, np.arange(1, 5))  # no gap: it is the same
    assert not counts_boxes(0, np.array([], np.int64))
