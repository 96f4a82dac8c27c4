import pytest

from benchmarks.devices import Slot, parse_devices

HERE = {"available": 4, "visible": None, "threads": 8, "cells": 9}


def test_the_cpu_is_one_slot_with_all_threads_and_no_gpu():
    assert parse_devices("cpu", **HERE) == [Slot("cpu", "", 8)]


def test_auto_fills_a_cpu_with_cells_and_no_more_than_there_are():
    def auto(**here: int) -> list[int]:
        return [slot.threads for slot in parse_devices("auto", **HERE | {"available": 0} | here)]

    assert auto() == [2, 2, 2, 2]
    assert auto(threads=2) == [1, 1]
    assert auto(cells=3) == [2, 2, 2]
    assert auto(threads=2, cells=1) == [2]
    assert auto(cells=0) == [8]


def test_cells_side_by_side_on_the_cpu_share_its_threads():
    slots = parse_devices("cpu:2", **HERE)
    assert [(slot.device, slot.visible, slot.threads) for slot in slots] == [("cpu", "", 4)] * 2
    assert len(set(slots)) == 2 and [slot.name for slot in slots] == ["cpu 1", "cpu 2"]
    assert [slot.threads for slot in parse_devices("cpu:3", **HERE | {"threads": 2})] == [1] * 3


def test_gpus_by_number_and_by_list():
    assert [slot.visible for slot in parse_devices("2", **HERE)] == ["0", "1"]
    assert [slot.visible for slot in parse_devices("0,3", **HERE)] == ["0", "3"]
    assert [slot.visible for slot in parse_devices("1,", **HERE)] == ["1"]
    assert parse_devices("auto", **HERE) == [Slot("cuda", str(n), 2) for n in range(4)]


def test_numbers_count_within_what_the_user_made_visible():
    slots = parse_devices("1,0", available=2, visible="5, GPU-7", threads=1, cells=9)
    assert slots == [Slot("cuda", "GPU-7", 1), Slot("cuda", "5", 1)]


@pytest.mark.parametrize("text", ["5", "0,4", "0", "1,1", "gpu", "-1", ",", "cpu:0", "cpu:x"])
def test_wrong_devices_are_named(text):
    with pytest.raises(ValueError, match=f"'{text}'"):
        parse_devices(text, **HERE)
