"""What a studio works on: a desk, its pictures, and one hand at a time on the model.

Pictures come as bytes or as numbers of test pictures, never as paths.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray
from PIL import Image

from benchmarks.canvas import enlarged, tile_size
from benchmarks.chosen_pictures import Shelf, test_picture
from benchmarks.studio.desk import Desk, Painted, Slot
from benchmarks.studio.uploads import read_picture
from benchmarks.video_files import write_mp4

Array = NDArray[Any]
Result = TypeVar("Result")

FILM_SIDE = 512
"""Pixels that a film is about high."""
FILM_FPS = 20


@dataclass(frozen=True)
class Opened:
    """A picture that is open.

    Args:
        name: of it, for people.
        index: its number among the test pictures; None where it is none of them.
        pixels: (H, W, C) uint8.
    """

    name: str
    index: int | None
    pixels: Array


class Session:
    """A desk with its pictures; calls are made one after the other, off the event loop.

    Args:
        desk: of the method.
        title: says which method it is.
        size: side of its pictures, pixels.
        channels: of its pictures.
        image: (H, W, C) uint8, opened first.
        name: of that picture.
        tests: test pictures to choose from; None for none.
    """

    def __init__(
        self,
        desk: Desk,
        title: str,
        *,
        size: int,
        channels: int,
        image: Array,
        name: str,
        tests: Shelf | None = None,
    ) -> None:
        self.desk = desk
        self.title = title
        self.size, self.channels = size, channels
        self.tests = tests
        self._lock = asyncio.Lock()
        self._opened: dict[Slot, Opened] = {}
        self._open("main", image, name)

    @property
    def picture(self) -> Opened:
        """The picture that is worked on."""
        return self._opened["main"]

    def about(self) -> dict[str, Any]:
        """What the page is told: the method, its pictures, and what the controls hang on."""
        return {
            "kind": self.desk.kind,
            "slots": list(self.desk.slots),
            "title": self.title,
            "size": self.size,
            "tests": 0 if self.tests is None else len(self.tests),
            "pictures": {
                slot: {
                    "name": one.name,
                    "index": one.index,
                    "address": picture_address(one.pixels),
                }
                for slot, one in self._opened.items()
            },
            "desk": self.desk.about(),
        }

    async def open_bytes(self, slot: str, content: bytes, name: str) -> dict[str, Any]:
        """Open a picture file that was sent.

        Raises:
            ValueError: it is no picture, or there is no such place for one.
        """

        def work() -> dict[str, Any]:
            place = self._slot(slot)
            return self._open(place, read_picture(content, self.size, self.channels), name)

        return await self._alone(work)

    async def open_test(self, slot: str, index: int) -> dict[str, Any]:
        """Open a test picture by its number.

        Raises:
            ValueError: there is none.
        """

        def work() -> dict[str, Any]:
            place = self._slot(slot)
            if self.tests is None:
                raise ValueError("this studio was opened without a dataset: drop a picture file")
            image = self.tests.take([index])[index]
            return self._open(place, image, test_picture(index, None), index)

        return await self._alone(work)

    async def paint(self, state: Any) -> Painted:
        """See `Desk.paint`."""
        return await self._alone(lambda: self.desk.paint(state))

    async def film(self, state: Any) -> bytes:
        """An MP4 file from the picture as it was to a state.

        Raises:
            ValueError: see `Desk.film`.
        """
        return await self._alone(lambda: self._film(state))

    async def _alone(self, work: Callable[[], Result]) -> Result:
        async with self._lock:
            return await asyncio.to_thread(work)

    def _slot(self, name: str) -> Slot:
        for slot in self.desk.slots:
            if slot == name:
                return slot
        raise ValueError(f"there is no place '{name}' for a picture here")

    def _open(
        self, slot: Slot, image: Array, name: str, index: int | None = None
    ) -> dict[str, Any]:
        self.desk.open(slot, image)
        self._opened[slot] = Opened(name, index, image)
        return self.about()

    def _film(self, state: Any) -> bytes:
        tile = tile_size((self.size, self.size), FILM_SIDE)
        with tempfile.TemporaryDirectory(prefix="whatwhere-") as folder:
            frames = (enlarged(frame, tile) for frame in self.desk.film(state))
            return write_mp4(Path(folder) / "film.mp4", frames, FILM_FPS).read_bytes()


def packed(number: int, painted: Painted) -> bytes:
    """A frame for the page: length of the JSON, the JSON, and the pixels of all its pictures."""
    count, height, width, _ = painted.pictures.shape
    head = {
        "number": number,
        "count": count,
        "height": height,
        "width": width,
        "facts": painted.facts,
    }
    text = json.dumps(head, allow_nan=False).encode()
    return struct.pack("<I", len(text)) + text + painted.pictures.tobytes()


def picture_address(image: Array) -> str:
    """A picture (H, W, C) uint8 as a ``data:`` address."""
    shown = Image.fromarray(image if image.shape[-1] == 3 else image[..., 0])
    stream = io.BytesIO()
    shown.save(stream, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
