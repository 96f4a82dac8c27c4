import json
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from pathlib import Path

import h5py
import numpy as np
import pytest

from datamodules import cache as cache_module
from datamodules.cache import Cache, CachedRows, Header, short_hash, why_unusable
from datamodules.cache_writer import SplitPlan, ensure_cache
from datamodules.errors import DataError, DiskSpaceError

HEADER = Header("toy", {"size": 4}, "0123456789abcdef", "whatwhere data prepare toy")
IMAGES = np.random.default_rng(0).integers(0, 256, (600, 6, 6, 3), dtype=np.uint8)


def plan(skip=(), fail_at=None):
    def images():
        for row, image in enumerate(IMAGES):
            if row == fail_at:
                raise DataError("broken in the middle")
            if row not in skip:
                yield row, image

    return {
        "train": SplitPlan(
            count=len(IMAGES),
            shape=(6, 6, 3),
            labels={"identity": np.arange(len(IMAGES))},
            names=[f"{row:06d} Αντίγραφο.jpg" for row in range(len(IMAGES))],
            images=images,
            skipped=[f"{row:06d}.jpg" for row in skip],
        ),
        "val": SplitPlan(0, (6, 6, 3), {"identity": np.arange(0)}, [], lambda: iter(())),
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "toy" / "toy.h5"


@pytest.fixture
def made(path):
    assert ensure_cache(path, HEADER, plan)
    return path


def files_beside(path):
    return sorted(p.name for p in path.parent.iterdir() if not p.name.endswith(".lock"))


def test_layout_and_attributes(made):
    with h5py.File(made) as file:
        image = file["train/image"]
        assert image.dtype == np.uint8
        assert image.chunks is None
        assert image.compression is None
        np.testing.assert_array_equal(image[()], IMAGES)
        assert file.attrs["complete"] == 1
        assert file.attrs["format_version"] == 1
        assert file.attrs["dataset"] == "toy"
        assert json.loads(file.attrs["recipe"]) == {"size": 4}
        assert file.attrs["recipe_hash"] == short_hash({"size": 4})
        assert file.attrs["fingerprint"] == HEADER.fingerprint
        assert file.attrs["num_samples"] == 600
    assert files_beside(made) == ["toy.h5"]


def test_reading(made):
    cache = Cache(made, HEADER)
    assert cache.counts == {"train": 600, "val": 0}
    data = cache.dataset("train", margin=1)
    batch = data.__getitems__([599, 2])
    np.testing.assert_array_equal(
        batch["image"].permute(0, 2, 3, 1).numpy(), IMAGES[[599, 2], 1:5, 1:5]
    )
    assert batch["identity"].tolist() == [599, 2]
    assert data.names[2] == "000002 Αντίγραφο.jpg"
    assert len(cache.dataset("val")) == 0


def test_large_splits_are_read_by_row(made, monkeypatch):
    monkeypatch.setattr(cache_module, "IN_MEMORY_BYTES", 0)
    rows = CachedRows(made, "train")
    np.testing.assert_array_equal(rows.take([5, 500, 5]), IMAGES[[5, 500, 5]])
    assert rows._images is None


def test_pickles_without_handle_or_pixels(made):
    rows = CachedRows(made, "train")
    rows.take([0])
    text = pickle.dumps(rows)
    assert len(text) < 4000 < IMAGES.nbytes
    np.testing.assert_array_equal(pickle.loads(text).take([7]), IMAGES[[7]])


@pytest.mark.parametrize("name", ["labels/identity", "name", "crc"])
def test_labels_have_checksums_too(made, name):
    with h5py.File(made) as file:
        chunk = file["train"][name].id.get_chunk_info(0)
    content = bytearray(made.read_bytes())
    content[chunk.byte_offset + 9] ^= 4
    made.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"toy\.h5: damaged .*Delete the file and start again"):
        Cache(made, HEADER)


def test_a_cache_that_lacks_parts_is_damaged(made):
    with h5py.File(made, "a") as file:
        del file["val/labels"]
    with pytest.raises(DataError, match=r"toy\.h5: damaged \(KeyError"):
        Cache(made, HEADER)


def test_made_once(made):
    before = made.stat().st_mtime_ns
    assert not ensure_cache(made, HEADER, plan)
    assert made.stat().st_mtime_ns == before


def test_left_out_pictures_leave_no_gap(path):
    ensure_cache(path, HEADER, lambda: plan(skip=(0, 300)))
    cache = Cache(path, HEADER)
    data = cache.dataset("train")
    assert len(data) == 598
    assert cache.skipped == {"train": ["000000.jpg", "000300.jpg"], "val": []}
    batch = data.__getitems__([0, 298, 299, 597])
    assert batch["identity"].tolist() == [1, 299, 301, 599]
    np.testing.assert_array_equal(
        batch["image"].permute(0, 2, 3, 1).numpy(), IMAGES[[1, 299, 301, 599]]
    )


def test_an_error_half_way_leaves_nothing(path):
    with pytest.raises(DataError, match="broken in the middle"):
        ensure_cache(path, HEADER, lambda: plan(fail_at=550))
    assert files_beside(path) == []


def test_kill_9_leaves_no_cache_and_the_next_attempt_mends_it(path):
    code = f"""
        import sys, time
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
        from test_cache import HEADER, plan
        from datamodules.cache_writer import ensure_cache
        splits = plan()
        inner = splits["train"].images
        def slow():
            for row, image in inner():
                if row == 400:
                    print("half", flush=True)
                    time.sleep(60)
                yield row, image
        splits["train"].images = slow
        ensure_cache(Path({str(path)!r}), HEADER, lambda: splits)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert not path.exists()
    assert [name for name in files_beside(path) if name.endswith(".tmp")]
    with pytest.raises(DataError, match=r"does not exist\. Run `whatwhere data prepare toy`"):
        Cache(path, HEADER)
    assert ensure_cache(path, HEADER, plan)
    assert files_beside(path) == ["toy.h5"]


def test_one_process_writes_while_the_other_waits(path):
    code = f"""
        import sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
        from test_cache import HEADER, plan
        from datamodules.cache_writer import ensure_cache
        print(ensure_cache(Path({str(path)!r}), HEADER, plan))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert said == ["False", "True"]
    assert why_unusable(path, HEADER) is None


def truncate(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 4)


def foreign(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["something"] = 1


def web_page(path):
    path.write_text("<html>404</html>")


def unfinished(path):
    with h5py.File(path, "r+") as file:
        del file.attrs["complete"]


def old_format(path):
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 0


def other_data(path):
    with h5py.File(path, "r+") as file:
        file.attrs["fingerprint"] = "f" * 16


def other_recipe(path):
    with h5py.File(path, "r+") as file:
        file.attrs["recipe_hash"] = "e" * 16


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (truncate, "truncated"),
        (web_page, "no HDF5 file"),
        (foreign, "not written by whatwhere"),
        (unfinished, "never finished"),
        (old_format, "has format 0, this version reads 1"),
        (other_data, "stale: fingerprint ffffffffffffffff, not 0123456789abcdef"),
        (other_recipe, "stale: recipe_hash eeeeeeeeeeeeeeee"),
    ],
)
def test_what_cannot_be_used_is_named_and_made_again(made, caplog, harm, reason):
    harm(made)
    with pytest.raises(DataError, match=reason) as error:
        Cache(made, HEADER)
    assert str(made) in str(error.value)
    assert "whatwhere data prepare toy" in str(error.value)
    assert ensure_cache(made, HEADER, plan)
    assert reason in caplog.text
    assert len(Cache(made, HEADER).dataset("train")) == 600


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_flipped_bit_is_found(made, monkeypatch, in_memory):
    with h5py.File(made, "r+") as file:
        file["train/image"][41, 3, 3, 1] ^= 1
    if not in_memory:
        monkeypatch.setattr(cache_module, "IN_MEMORY_BYTES", 0)
    data = Cache(made, HEADER).dataset("train")
    with pytest.raises(
        DataError, match=r"picture 41 of 'train' is damaged.*Delete the file and start"
    ):
        data.__getitems__([41])


def test_a_full_disk_is_noticed_before_writing(path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 10 << 20))
    with pytest.raises(DiskSpaceError, match=r"needs 64 MiB, but 10 MiB are free.*--cache-dir"):
        ensure_cache(path, HEADER, plan)
    assert files_beside(path) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(path):
    """The system refuses to let the file grow; in a process of its own, for the limit stays."""
    resource = pytest.importorskip("resource", reason="needs POSIX file size limits")
    assert resource.RLIMIT_FSIZE >= 0
    code = f"""
        import resource, signal, sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}
        from test_cache import HEADER, plan
        from datamodules.cache_writer import ensure_cache
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        try:
            ensure_cache(Path({str(path)!r}), HEADER, plan)
        except Exception as error:
            print(type(error).__name__, error)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    ).stdout
    assert said.startswith(f"DataError cannot write the cache {path}: ")
    assert "Choose another folder with --cache-dir" in said
    assert files_beside(path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write the cache .*--cache-dir"):
        ensure_cache(tmp_path / "file" / "toy.h5", HEADER, plan)


def test_reading_a_batch_is_fast(made):
    data = Cache(made, HEADER).dataset("train")
    data.__getitems__([0])
    start = time.process_time()
    for _ in range(200):
        data.__getitems__(list(range(0, 600, 20)))
    assert time.process_time() - start < 2  # 0.02 s where idle; per-sample collation took 10 times


def test_hash_ignores_the_order_of_keys():
    assert short_hash({"a": 1, "b": [1, 2]}) == short_hash({"b": [1, 2], "a": 1})
    assert short_hash({"a": 1}) != short_hash({"a": 2})
