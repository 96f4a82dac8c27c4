import os
import stat

import pytest

from benchmarks.files import atomic_writer, canonical_json, digest, read_json, write_atomically


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "deep" / "cell.json"
    write_atomically(path, "old and long")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["cell.json"]


def test_failure_half_way_keeps_the_old_file_and_removes_the_temporary_one(tmp_path):
    path = tmp_path / "cell.json"
    write_atomically(path, "old")
    with pytest.raises(RuntimeError), atomic_writer(path) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["cell.json"]


def test_full_disk_names_the_file(tmp_path, monkeypatch):
    def no_space(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match=r"No space left on device: .*cell\.json"):
        write_atomically(tmp_path / "cell.json", "text")
    assert names(tmp_path) == []


def test_permissions_are_those_of_a_plain_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "atomic", "")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_canonical_json_does_not_depend_on_order_or_spelling_of_numbers():
    assert canonical_json({"b": 1.0, "a": (1, 2)}) == '{"a":[1,2],"b":1}'
    assert digest({"a": 0.1}) != digest({"a": 0.1000001})
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})


def test_json_that_is_none_names_the_file(tmp_path):
    path = tmp_path / "cell.json"
    path.write_text('{"a":')
    with pytest.raises(ValueError, match=r"cell\.json"):
        read_json(path)
