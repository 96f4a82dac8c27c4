"""Confusion matrices: fields are shares of their row, named and counted."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from benchmarks.canvas import BLUE
from benchmarks.confusion_pictures import draw_confusions
from benchmarks.pictures import draw_cell
from benchmarks.protocols.interface import ProtocolResult

NAMES = np.array(["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise"])


def matrix(classes, seed=0):
    counts = np.random.default_rng(seed).integers(0, 9, (classes, classes))
    return counts + 40 * np.eye(classes, dtype=np.int64)


@pytest.fixture(scope="module")
def arrays():
    return {
        "class_names": NAMES,
        "confusion_acc6_field": matrix(6),
        "confusion_acc7_field_moved": matrix(7, 1),
        "confusion_acc6_where": np.diag([10, 10, 10, 10, 10, 0]) + np.eye(6, k=-5, dtype=int) * 10,
        "confusion_judge_acc": matrix(6, 2),
    }


def test_a_sheet_has_every_matrix_with_its_names_and_accuracy(arrays):
    axes = draw_confusions(arrays, "row").figure.axes
    assert len(axes) == 4
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == NAMES[1:].tolist()
    assert [label.get_text() for label in axes[1].get_xticklabels()] == NAMES.tolist()
    counts = arrays["confusion_acc6_field"]
    share = 100 * np.trace(counts) / counts.sum()
    assert axes[0].get_title(loc="left") == f"field 6: {share:.1f} % of {counts.sum()} clips"
    assert axes[3].get_title(loc="left").startswith("judge, real: ")


def test_fields_are_shares_of_their_row(arrays):
    axes = draw_confusions(arrays, "row").figure.axes[2]
    assert [text.get_text() for text in axes.texts] == ["100 %\n10"] * 6
    np.testing.assert_array_equal(axes.images[0].get_array(), arrays["confusion_acc6_where"] / 10)


def test_the_shade_of_a_sure_class_is_full_and_stands_in_its_place(arrays):
    sheet = draw_confusions(arrays, "row")
    left, top, width, height = sheet.box(0, 2)
    tile = sheet.pixels()[top : top + height, left : left + width]
    # The corner of the first field, then of a field beside it.
    assert tile[10, 10] / 255 == pytest.approx(to_rgb(BLUE), abs=0.02)
    assert tile[10, width // 6 + 10].min() == 255
    assert tile[height - 10, 10] / 255 == pytest.approx(to_rgb(BLUE), abs=0.02)


def test_it_is_drawn_wherever_a_cell_has_the_arrays(arrays, tmp_path):
    assert draw_confusions({"class_names": NAMES}, "row") is None
    written = draw_cell(ProtocolResult({}, {}, arrays), tmp_path / "pictures", title="row")
    assert [path.name for path in written] == ["confusions.png"]
