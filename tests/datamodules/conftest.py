"""A hand-made CelebA copy in miniature: pictures whose landmarks are discs one can find again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]
HEADER = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
    "leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)


def draw_face(points: np.ndarray, radius: int = 4) -> Image.Image:
    image = Image.new("RGB", (178, 218), (128, 128, 128))
    pen = ImageDraw.Draw(image)
    for (x, y), colour in zip(points, COLOURS, strict=True):
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return image


def write_tree(
    out: Path,
    *,
    unsupervised: int = 20,
    train: int = 6,
    test: int = 4,
    other: int = 0,
    official: bool = True,
    suffix: str = "jpg",
    images: str = "img_align_celeba",
    lists: str | None = None,
    identity: bool = True,
) -> Path:
    """``other`` pictures are in CelebA's test partition; the rest in its training partition."""
    base = out / "celeba"
    folder = base / ("Img" if official else "") / images
    anno, evaluation = (base / "Anno", base / "Eval") if official else (base, base)
    mafl = out / lists if lists else base / "MAFL"
    for path in (folder, anno, evaluation, mafl):
        path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    total = unsupervised + train + test + other
    names = [f"{k + 1:06d}.jpg" for k in range(total)]
    mean = np.array([[69, 111], [108, 111], [89, 135], [73, 152], [105, 152]])
    rows = []
    for name in names:
        points = mean + rng.integers(-6, 7, (5, 2))
        kind = {"quality": 95} if suffix == "jpg" else {}
        draw_face(points).save(folder / name.replace("jpg", suffix), **kind)
        rows.append(name + "  " + "   ".join(f"{value:3d}" for value in points.ravel()))
    text = "\n".join([str(total), HEADER, *rows, ""])
    (anno / "list_landmarks_align_celeba.txt").write_text(text)
    parts = [0] * (total - other) + [2] * other
    (evaluation / "list_eval_partition.txt").write_text(
        "".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True))
    )
    if identity:
        (anno / "identity_CelebA.txt").write_text(
            "".join(f"{name} {k // 3 + 1}\n" for k, name in enumerate(names))
        )
    (mafl / "training.txt").write_text("\n".join(names[:train]))
    (mafl / "testing.txt").write_text("\n".join(names[train : train + test]))
    return base


@pytest.fixture(scope="session")
def tree_writer() -> Callable[..., Path]:
    return write_tree


@pytest.fixture(scope="session")
def face_drawer() -> Callable[..., Image.Image]:
    return draw_face


@pytest.fixture(scope="session")
def landmark_colours() -> list[tuple[int, int, int]]:
    return COLOURS


@pytest.fixture(scope="session")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small copy that tests only read; its root."""
    root = tmp_path_factory.mktemp("copy")
    write_tree(root, other=5)
    return root


@pytest.fixture
def own_tree(tmp_path: Path) -> Path:
    """A small copy that a test may break; its root."""
    write_tree(tmp_path / "copy", other=5)
    return tmp_path / "copy"


@pytest.fixture(scope="session")
def sprite_sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in's LPC sheets, which tests only read; the folder of the parts' folders."""
    from datamodules.standins.sprites_tree import write_sprites_tree

    return write_sprites_tree(tmp_path_factory.mktemp("sprites"))


@pytest.fixture
def own_sprite_sheets(sprite_sheets: Path, tmp_path: Path) -> Path:
    """A copy that a test may break, without the mark of a stand-in; its root."""
    root = tmp_path / "copy"
    shutil.copytree(sprite_sheets, root / "lpc", ignore=shutil.ignore_patterns("standin.json"))
    return root
