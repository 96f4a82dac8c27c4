import shlex

import pytest

from datamodules.celeba import CelebA
from datamodules.copies import held_out, listing_hash
from datamodules.errors import DataError
from datamodules.mnist import MNIST


class Interrupted(MNIST):
    fails = True

    def write_standin(self, folder, show):
        (folder / "half").write_text("half")
        if self.fails:
            raise KeyboardInterrupt
        (folder / "whole").write_text("whole")


def test_an_interrupted_stand_in_leaves_nothing_and_is_made_anew(tmp_path):
    data = Interrupted(cache_dir=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        data.folder()
    assert [path for path in (tmp_path / "mnist").iterdir() if path.is_dir()] == []
    data.fails = False
    folder = data.folder()
    assert sorted(path.name for path in folder.iterdir()) == ["half", "whole"]
    data.fails = True
    assert data.folder() == folder  # written once


@pytest.mark.parametrize("dataset", [MNIST, CelebA])
def test_a_stand_in_that_cannot_be_written_names_its_folder(tmp_path, dataset):
    (tmp_path / dataset.name).write_text("a file where a folder should be")
    data = dataset(cache_dir=str(tmp_path))
    with pytest.raises(DataError, match=rf"cannot write the cache .*{dataset.name}/standin-tree"):
        data.plan()


def test_what_makes_a_cache_is_a_line_that_a_shell_understands(tmp_path):
    data = MNIST(source="real", root=str(tmp_path / "my data"), cache_dir="a; b", image_size=32)
    assert shlex.split(data.command)[2:] == [
        *("prepare", "mnist", "--source", "real", "--data-root", str(tmp_path / "my data")),
        *("--image-size", "32", "--cache-dir", "a; b"),
    ]


def test_who_is_held_out_hangs_on_names_and_not_on_their_order():
    names = [f"{k:05d}" for k in range(1000)]
    chosen = held_out(names, 100, 0.5)
    assert len(chosen) == 100
    assert held_out(names[::-1], 100, 0.5) == chosen
    assert len(held_out(names, 100, 0.05)) == 50
    assert held_out(names, 0, 0.5) == set()
    # Evenly spread: no half of the names has it all.
    assert 30 < sum(name < "00500" for name in chosen) < 70


def test_a_listing_knows_names_sizes_and_some_contents_but_no_folders(tmp_path):
    files = {"a.png": "1", "b.txt": "22"}
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        for name, text in files.items():
            (tmp_path / place / name).write_text(text)

    def of(place):
        return listing_hash([tmp_path / place / "a.png"], [tmp_path / place / "b.txt"])

    assert of("one") == of("two")
    (tmp_path / "two" / "b.txt").write_text("23")
    assert of("one") != of("two")
    (tmp_path / "one" / "b.txt").write_text("23")
    (tmp_path / "one" / "a.png").write_text("12")
    assert of("one") != of("two")
