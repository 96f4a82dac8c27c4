"""Finding the files of a CelebA copy, however it was unpacked.

Two trees are in circulation, the official one (Img, Anno, Eval, MAFL) and torchvision's flat one,
each often inside a doubled folder. Files are therefore searched for by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datamodules.errors import DatasetNotFoundError
from datamodules.walking import walk

IMAGE_FOLDERS: Final = ("img_align_celeba", "img_align_celeba_hq", "img_align_celeba_png")
"""In order of preference; DVE's authors find no difference between the first two."""
LISTS: Final = {
    "landmarks": "list_landmarks_align_celeba.txt",
    "partition": "list_eval_partition.txt",
    "mafl_train": "training.txt",
    "mafl_test": "testing.txt",
    "identity": "identity_CelebA.txt",
}
WILD_FOLDERS: Final = ("img_celeba",)
WILD_LISTS: Final = LISTS | {
    "landmarks": "list_landmarks_celeba.txt",
    "boxes": "list_bbox_celeba.txt",
}
"""Of the pictures as they were found, before they were aligned."""
STANDIN_MARKER: Final = "standin.json"
OPTIONAL: Final = {"identity"}
DEPTH: Final = 5
"""Folders are searched this deep: the documented trees need three levels below the root."""
IMAGE_NAME: Final = re.compile(r"^\d{6}\.(jpg|png)$")
OBTAIN: Final = (
    "CelebA is free for research from mmlab.ie.cuhk.edu.hk/projects/CelebA.html (Img, "
    "Anno, Eval); the MAFL lists are MAFL/training.txt and MAFL/testing.txt of "
    "github.com/zhzhanp/TCDCN-face-alignment"
)


@dataclass(frozen=True)
class CelebAFiles:
    """Where the parts of a copy lie; None for what was not found.

    ``boxes`` of faces are needed, and looked for, with the pictures that are not aligned alone.
    """

    root: Path
    images: Path | None
    landmarks: Path | None
    partition: Path | None
    mafl_train: Path | None
    mafl_test: Path | None
    identity: Path | None
    marker: Path | None
    """The file that tells a tree of stand-in faces from a real copy."""
    boxes: Path | None = None
    wild: bool = False
    """Whether the pictures were looked for that are not aligned."""

    def missing(self) -> list[str]:
        """The needed parts that were not found, as a user knows them."""
        folder = (WILD_FOLDERS if self.wild else IMAGE_FOLDERS)[0]
        absent = [] if self.images else [f"the folder {folder} with 000001.jpg, ..."]
        for part, name in (WILD_LISTS if self.wild else LISTS).items():
            if part not in OPTIONAL and getattr(self, part) is None:
                absent.append(f"MAFL/{name}" if part.startswith("mafl") else name)
        return absent


def find_files(root: Path, *, wild: bool = False) -> CelebAFiles:
    """Search a folder for the parts of a copy, by name.

    Args:
        root: the folder.
        wild: look for the pictures that are not aligned.

    Raises:
        DatasetNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise not_found(root, ["the folder itself"], wild=wild)
    files: dict[str, list[Path]] = {}
    folders: dict[str, list[Path]] = {}
    for folder, subfolders, names in _walk(root, DEPTH):
        for name in subfolders:
            folders.setdefault(name, []).append(folder / name)
        for name in names:
            files.setdefault(name, []).append(folder / name)
    markers = files.get(STANDIN_MARKER, [])
    found: dict[str, Path | None] = {"marker": markers[0] if markers else None}
    for part, name in (WILD_LISTS if wild else LISTS).items():
        candidates = files.get(name, [])
        if part.startswith("mafl"):
            # Their names are common: a folder called MAFL goes first, and it must read as a list.
            candidates = sorted(candidates, key=lambda path: path.parent.name.lower() != "mafl")
            candidates = [path for path in candidates if _is_name_list(path)]
        found[part] = candidates[0] if candidates else None
    wanted = WILD_FOLDERS if wild else IMAGE_FOLDERS
    images = (_with_images(folder) for name in wanted for folder in folders.get(name, []))
    first = next((path for path in images if path), None)
    return CelebAFiles(root=root, images=first, wild=wild, **found)


def not_found(
    root: Path | None, missing: Sequence[str], *, wild: bool = False
) -> DatasetNotFoundError:
    """The error for a copy that lacks something; None where no folder was given."""
    name, kind = ("celeba_wild", " of pictures in the wild") if wild else ("celeba", "")
    return DatasetNotFoundError(
        f"no complete CelebA copy{kind} in {root or '(no folder given)'}: missing "
        f"{'; '.join(missing)}. {OBTAIN}. `whatwhere data verify {name} --data-root "
        f"{root or 'DIR'}` shows what is found."
    )


def _walk(root: Path, depth: int) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Folders from the top down, without looking into folders of pictures."""
    for folder, subfolders, names in walk(root):
        here = Path(folder)
        level = len(here.relative_to(root).parts)
        subfolders.sort()
        yield here, list(subfolders), names
        picture_folder = here.name.startswith("img_") and any(map(IMAGE_NAME.match, names))
        if level + 1 >= depth or picture_folder:
            subfolders.clear()


def _with_images(folder: Path) -> Path | None:
    """The folder itself, or the doubled one in it, if it holds pictures."""
    for candidate in (folder, folder / folder.name):
        if candidate.is_dir():
            with os.scandir(candidate) as entries:
                if any(IMAGE_NAME.match(entry.name) for entry in entries):
                    return candidate
    return None


def _is_name_list(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return IMAGE_NAME.match(file.readline().strip()) is not None


def list_images(folder: Path) -> dict[str, tuple[str, int]]:
    """Number of every picture -> (file name, bytes).

    Lists speak of 000001.jpg whether the copy holds JPEG or PNG, so pictures go by number.
    """
    with os.scandir(folder) as entries:
        return {
            entry.name[:6]: (entry.name, entry.stat().st_size)
            for entry in entries
            if IMAGE_NAME.match(entry.name)
        }
