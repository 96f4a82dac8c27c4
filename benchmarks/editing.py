"""``whatwhere edit``: particles of a picture moved, changed and painted, into files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor

from benchmarks.build import build_data
from benchmarks.code_pictures import as_batch
from benchmarks.devices import check_device
from benchmarks.edit_pictures import draw_strip, scene
from benchmarks.editor import Editor
from benchmarks.edits import Edit, as_data, parse_edit, read_script
from benchmarks.files import write_json
from benchmarks.pictures import cell_title
from benchmarks.schema import Source
from benchmarks.trained import Trained, load_trained
from benchmarks.trained_data import cell_data, own_pictures
from benchmarks.video_files import write_gif, write_mp4
from datamodules.interface import DataModule

Array = NDArray[Any]

FILMS: Final[dict[str, Callable[..., Path]]] = {".gif": write_gif, ".mp4": write_mp4}
ENDINGS: Final = (".png", *FILMS, ".json")
PICTURE: Final = ".png"


@dataclass(frozen=True)
class Pictures:
    """Which pictures are edited.

    Args:
        image: the user's own; None for one of a dataset.
        other: another, to paste from and to go to; None for that of ``other_index``, if any.
        dataset: id of the dataset; None for the cell's own.
        index: number of the picture in the dataset's test split.
        other_index: of the other picture; None for none.
        source: of ``dataset``.
        root: of the user's copy.
        cache_dir: where prepared data is kept; None for the user's cache folder.
    """

    image: Path | None = None
    other: Path | None = None
    dataset: str | None = None
    index: int = 0
    other_index: int | None = None
    source: Source = "standin"
    root: Path | None = None
    cache_dir: Path | None = None

    @property
    def words(self) -> str:
        """Which picture it is, in words."""
        if self.image is not None:
            return self.image.name
        return f"test picture {self.index}{f' of {self.dataset}' if self.dataset else ''}"


def edit(
    checkpoint: Path,
    outputs: Sequence[Path],
    *,
    wanted: Pictures,
    sentences: Sequence[str] = (),
    script: Path | None = None,
    device: str = "cpu",
) -> int:
    """Apply edits to a picture's particles, write what was asked for, and print the files.

    Without edits the picture is drawn with its particles' numbers, and they are printed.

    Args:
        checkpoint: see `load_trained`.
        outputs: files: a strip (.png), a film (.gif, .mp4), or the edits themselves (.json).
        wanted: the pictures.
        sentences: edits, see `benchmarks.edits`; they follow those of ``script``.
        script: a JSON file of edits.
        device: ``cpu``, ``cuda`` or ``cuda:1``.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: an edit, a file or an ending is wrong, or the method has no particles.
    """
    check_device(device)
    edits = ([] if script is None else read_script(script)) + [parse_edit(s) for s in sentences]
    for output in outputs:
        _check_output(output, edits)
    trained = load_trained(checkpoint)
    method = trained.method.to(device)
    image, other = _pictures(trained, wanted)
    editor = Editor(
        method, as_batch(method, image[None]), None if other is None else _one(method, other)
    )
    title = type(method).__name__ if trained.cell is None else cell_title(trained.cell)
    title = f"{title}  ·  after epoch {trained.epochs}  ·  {wanted.words}"
    out = Console()
    if not edits:
        out.print(_listed(editor))
    for output in outputs:
        _write(output, editor, edits, (image, other), title)
        out.print(str(output), markup=False, highlight=False, soft_wrap=True)
    return 0


def _one(method: Any, image: Array) -> Any:
    return as_batch(method, image[None])


def _check_output(output: Path, edits: Sequence[Edit]) -> None:
    ending = output.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{output}: ends in none of {', '.join(ENDINGS)}")
    if ending != PICTURE and not edits:
        raise ValueError(f"{output}: there is nothing to tell without an edit; give one by --edit")


def _write(
    output: Path,
    editor: Editor,
    edits: list[Edit],
    pictures: tuple[Array, Array | None],
    title: str,
) -> None:
    ending = output.suffix.lower()
    image, other = pictures
    if ending == ".json":
        editor.paint(edits)  # what cannot be done is no script
        write_json(output, as_data(edits))
    elif ending in FILMS:
        FILMS[ending](output, scene(editor, edits, image, other).frames(title))
    else:
        draw_strip(editor, edits, image, title, other).save(output)


def _pictures(trained: Trained, wanted: Pictures) -> tuple[Array, Array | None]:
    """The picture and the other one, (H, W, C) uint8."""
    if wanted.image is not None and wanted.dataset is not None:
        raise ValueError("give --image, or --dataset with --index: not both")
    if wanted.other is not None and wanted.other_index is not None:
        raise ValueError("give --other, or --other-index: not both")
    places = [None if wanted.image is not None else wanted.index, wanted.other_index]
    rows = [place for place in places if place is not None]
    taken = _of_data(trained, wanted, rows) if rows else {}
    files = [file for file in (wanted.image, wanted.other) if file is not None]
    for file in files:
        if file.is_dir():
            raise ValueError(f"{file}: is a folder; give one picture")
    own = dict(zip(files, own_pictures(trained, files).images, strict=False)) if files else {}
    image = own[wanted.image] if wanted.image is not None else taken[wanted.index]
    if wanted.other is not None:
        return image, own[wanted.other]
    return image, None if wanted.other_index is None else taken[wanted.other_index]


def _of_data(trained: Trained, wanted: Pictures, rows: list[int]) -> dict[int, Array]:
    data = _data(trained, wanted)
    if "test" not in data.splits:
        raise ValueError(f"dataset '{data.name}' has no test pictures; give one by --image")
    dataset = data.dataset("test")
    for row in rows:
        if not 0 <= row < len(dataset):
            raise ValueError(
                f"dataset '{data.name}' has no test picture {row}: they are 0 to {len(dataset) - 1}"
            )
    images = dataset.__getitems__(rows)["image"].permute(0, 2, 3, 1).numpy()
    channels = trained.method.hparams.get("image_channels", 3)
    if images.shape[-1] != channels:
        raise ValueError(
            f"dataset '{data.name}' has pictures of {images.shape[-1]} channels, "
            f"{type(trained.method).__name__} takes {channels}"
        )
    return dict(zip(rows, np.asarray(images), strict=True))


def _data(trained: Trained, wanted: Pictures) -> DataModule:
    if wanted.dataset is None:
        if trained.cell is None:
            raise ValueError(
                "a checkpoint of `whatwhere fit` does not say what it was trained on: give a "
                "picture by --image FILE, or --dataset ID --index N"
            )
        return cell_data(trained, wanted.root, wanted.cache_dir)
    settings = trained.method.hparams
    data = build_data(
        wanted.dataset,
        {"image_size": settings["image_size"]} if "image_size" in settings else {},
        source=wanted.source,
        root=None if wanted.root is None else str(wanted.root),
        cache_dir=None if wanted.cache_dir is None else str(wanted.cache_dir),
    )
    data.prepare_data()
    data.setup("test")
    return data


def _listed(editor: Editor) -> Table:
    """Particles by number: where, how certain, and what else the method paints them by."""
    found, painted = editor.original, editor.method.painted_by
    assert found.presence is not None
    columns = {
        "particle": [str(number) for number in range(found.position.shape[1])],
        "x": _decimals(found.position[0, :, 0]),
        "y": _decimals(found.position[0, :, 1]),
        "deviation": [f"{one:.2g}" for one in (found.log_variance[0].mean(-1) / 2).exp().tolist()],
    }
    if "size" in painted:
        sides = zip(*(_decimals(found.size[0, :, side]) for side in (0, 1)), strict=True)
        columns["size"] = [" x ".join(both) for both in sides]
    if "presence" in painted:
        columns["presence"] = _decimals(found.presence[0])
    columns["features"] = [" ".join(_decimals(row)) for row in found.feature[0]]
    shown = Table(*(Column(name, overflow="fold") for name in columns))
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*row)
    return shown


def _decimals(values: Tensor) -> list[str]:
    return [f"{value:.2f}" for value in values.tolist()]
