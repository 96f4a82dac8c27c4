import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest
import torch

from benchmarks.checkpoints import (
    AtomicCheckpointIO,
    CheckpointMismatchError,
    check_owner,
    discard,
    newest_good,
    previous_of,
)

IO = AtomicCheckpointIO()


@pytest.fixture
def saved(tmp_path):
    """Three generations saved; the last two are there."""
    path = tmp_path / "resume.ckpt"
    for generation in range(3):
        IO.save_checkpoint({"generation": generation, "weights": torch.arange(1000.0)}, path)
    return path


def generation(path):
    good = newest_good(path)
    return None if good is None else IO.load_checkpoint(good)["generation"]


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_keeps_two_generations_and_digests_that_sha256sum_understands(saved):
    assert sorted(file.name for file in saved.parent.iterdir()) == [
        "resume.ckpt",
        "resume.ckpt.sha256",
        "resume.prev.ckpt",
    ]
    assert generation(saved) == 2
    assert IO.load_checkpoint(previous_of(saved))["generation"] == 1
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "resume.ckpt.sha256"], cwd=saved.parent, check=True)


@pytest.mark.parametrize("damage", [flip_a_bit, lambda p: os.truncate(p, 100), pathlib.Path.unlink])
def test_a_damaged_file_falls_back_to_the_previous_one(saved, damage, caplog):
    damage(saved)
    assert generation(saved) == 1
    assert ("damaged" in caplog.text) == saved.exists()
    # The next save must not push the damaged file over the good one.
    IO.save_checkpoint({"generation": 3}, saved)
    flip_a_bit(saved)
    assert generation(saved) == 1


def test_both_damaged_starts_afresh_and_says_so(saved, caplog):
    flip_a_bit(saved)
    flip_a_bit(previous_of(saved))
    assert newest_good(saved) is None
    assert "training starts afresh" in caplog.text
    with pytest.raises(ValueError, match=r"resume\.ckpt: damaged"):
        IO.load_checkpoint(saved)


def test_a_kill_at_any_instant_of_a_save_leaves_a_good_generation(saved, monkeypatch):
    class Killed(BaseException):
        pass

    original = {name: getattr(pathlib.Path, name) for name in ("replace", "unlink")}
    survived = set()
    for die_at in range(12):
        calls = 0

        def counted(name):
            def call(path, *args, **kwargs):
                nonlocal calls
                calls += 1
                if calls > die_at:  # noqa: B023 - used within this turn only
                    raise Killed
                return original[name](path, *args, **kwargs)

            return call

        before = generation(saved)
        with monkeypatch.context() as patch:
            for name in original:
                patch.setattr(pathlib.Path, name, counted(name))
            with contextlib.suppress(Killed):
                IO.save_checkpoint({"generation": before + 1}, saved)
        assert generation(saved) in (before, before + 1)
        survived.add(generation(saved) - before)
    assert survived == {0, 1}


def test_never_runs_code_from_a_file(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "resume.ckpt"
    IO.save_checkpoint({"evil": Evil()}, path)
    with pytest.raises(Exception, match=r"holds more than tensors and plain values"):
        IO.load_checkpoint(path, weights_only=False)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_another_cell_is_refused(tmp_path):
    path = tmp_path / "resume.ckpt"
    IO.save_checkpoint({"whatwhere": {"cell_id": "a" * 16}}, path)
    check_owner(path, "a" * 16)
    with pytest.raises(CheckpointMismatchError, match=f"{'a' * 16}.*{'b' * 16}.*Delete"):
        check_owner(path, "b" * 16)
    IO.save_checkpoint({}, path)
    with pytest.raises(CheckpointMismatchError, match="none on record"):
        check_owner(path, "b" * 16)


def test_leftovers_of_a_killed_save_are_removed(saved):
    orphan = saved.with_name(".resume.ckpt.new.123.abc.tmp")
    orphan.write_bytes(b"half")
    IO.save_checkpoint({"generation": 3}, saved)
    assert not orphan.exists()
    discard(saved)
    assert list(saved.parent.iterdir()) == []


def test_values_that_are_not_plain_are_named(tmp_path):
    path = tmp_path / "resume.ckpt"
    IO.save_checkpoint({"hyper_parameters": {"where": pathlib.PurePosixPath("a")}}, path)
    with pytest.raises(ValueError, match=r"resume\.ckpt: holds more .*PurePosixPath") as told:
        IO.load_checkpoint(path)
    assert "save_hyperparameters" in str(told.value)
