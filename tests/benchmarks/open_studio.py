"""A studio that is open while a test looks at it."""

import asyncio
import threading

import numpy as np
import torch

from benchmarks.studio.choose import desk_of
from benchmarks.studio.server import serving
from benchmarks.studio.session import Session
from lightning_modules.ddr.module import DDR
from lightning_modules.deformable.module import AmortisedDeformableGenerator
from tests.particle_painter import ParticlePainter


class Drawer:
    """Eight test pictures, each a little brighter than the one before."""

    def __init__(self, size, channels=3):
        self.size, self.channels = size, channels

    def __len__(self):
        return 8

    def take(self, rows):
        for row in rows:
            if not 0 <= row < len(self):
                raise ValueError(f"no test picture {row}")
        return {row: picture(self.size, self.channels, 30 * row) for row in rows}


def small_generator():
    """Two codes of 16 px, with weights of seed 0."""
    torch.manual_seed(0)
    return AmortisedDeformableGenerator(
        image_size=16, appearance_dim=5, geometry_dim=4, channels=(8, 8), kernels=(3, 3)
    )


def small_plane():
    """A plane of motion of 16 px and one number more, with weights of seed 0."""
    torch.manual_seed(0)
    return DDR(image_size=16, f_dim=6, z_dim=3, channels=(8, 8), pair_channels=8, hidden=16)


def picture(size=32, channels=3, level=100):
    return np.full((size, size, channels), level, np.uint8)


def session(method=None, *, size=32, channels=3, tests=True):
    """A session with a method and a grey picture."""
    method = ParticlePainter(image_size=size) if method is None else method
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Session(
            desk_of(method.eval().requires_grad_(False)),
            "a method  ·  after epoch 3",
            size=size,
            channels=channels,
            image=picture(size, channels),
            name="grey.png",
            tests=Drawer(size, channels) if tests else None,
        )


class Served:
    """A session served on a thread of its own: what a browser needs.

    ``end`` ends it as Ctrl-C does; ``cut`` closes the connection without a word.
    """

    def __init__(self, made):
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=[self._run(made)]
        )
        self._thread.start()
        assert self._ready.wait(20)

    async def _run(self, made):
        async with serving(made, patience=0.5) as self.studio:
            self._ready.set()
            await self._over.wait()

    @property
    def address(self):
        return self.studio.address

    def cut(self):
        self._loop.call_soon_threadsafe(self.studio._window._writer.transport.abort)

    def end(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(20)
