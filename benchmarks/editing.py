"""``whatwhere edit``: particles of a picture moved, changed and painted, into files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from torch import Tensor

from benchmarks.chosen_pictures import Pictures, chosen
from benchmarks.code_pictures import as_batch
from benchmarks.devices import check_device
from benchmarks.edit_pictures import draw_strip, scene
from benchmarks.editor import Editor
from benchmarks.edits import Edit, as_data, parse_edit, read_script
from benchmarks.files import write_json
from benchmarks.pictures import trained_title
from benchmarks.trained import load_trained
from benchmarks.video_files import write_gif, write_mp4

Array = NDArray[Any]

FILMS: Final[dict[str, Callable[..., Path]]] = {".gif": write_gif, ".mp4": write_mp4}
ENDINGS: Final = (".png", *FILMS, ".json")
PICTURE: Final = ".png"


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
    image, other = chosen(trained, wanted)
    editor = Editor(
        method, as_batch(method, image[None]), None if other is None else _one(method, other)
    )
    title = f"{trained_title(trained)}  ·  {wanted.words}"
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
