import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.pts import read_points, write_points


def test_points_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "img_0012.pts"
    points = np.array([[1.25, -3.5], [640.0, 0.01], [7.0, 8.0]])
    write_points(path, points)
    assert path.read_text().startswith("version: 1\nn_points: 3\n{\n1.25 -3.50\n")
    np.testing.assert_array_equal(read_points(path), points)
    np.testing.assert_array_equal(read_points(path, 3), points)


def test_other_spacing(tmp_path):
    path = tmp_path / "a.pts"
    path.write_text("version:1\r\nn_points:  2\r\n{\r\n 1  2 \r\n3\t4\r\n}\r\n")
    assert read_points(path).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", None),
        ("version: 1\nn_points: 2\n{\n1 2\n3 4\n", None),  # cut off
        ("version: 1\nn_points: 3\n{\n1 2\n3 4\n}\n", None),
        ("version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n", 68),
        ("version: 1\n{\n1 2\n}\n", None),
        ("n_points: 1\n{\n1 nan\n}\n", None),
        ("n_points: 2\n{\n1 2\n3\n}\n", None),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, text, count):
    path = tmp_path / "a.pts"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a.pts does not hold {count or ''}.*Make the file again"):
        read_points(path, count)
