"""What is timed: each section prepares itself and hands back one step and the pictures in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch

from benchmarks.perf.plain import PlainMaskedDLP
from datamodules.celeba import CelebA
from datamodules.standins.faces import render_faces, sample_factors
from lightning_modules.dlp.module import DeepLatentParticles
from lightning_modules.interface import Batch

BATCH: Final = 16

# The paper's masked model at 64 px, as the authors' code configures it for that size.
FAITHFUL_64: Final = {
    "image_size": 64,
    "n_keypoints": 30,
    "channels": (32, 64, 128),
    "decoder_channels": (128, 64),
    "reconstruction": "mse",
}


@dataclass(frozen=True)
class Section:
    """One thing to time.

    Args:
        title: what a step does.
        images: pictures in a step.
        step: runs one step.
    """

    title: str
    images: int
    step: Callable[[], object]


def faithful_model() -> DeepLatentParticles:
    """The faithful model at 64 px with weights drawn from seed 0."""
    torch.manual_seed(0)
    return DeepLatentParticles(**FAITHFUL_64)  # type: ignore[arg-type]


def _training(
    title: str, method: DeepLatentParticles, loss: Callable[[torch.Tensor], torch.Tensor]
) -> Section:
    optimizer = torch.optim.Adam(method.parameters(), lr=2e-4, eps=1e-4)
    image = torch.rand(BATCH, 3, 64, 64)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss(image))
        optimizer.step()

    return Section(title, BATCH, step)


def train() -> Section:
    """Forward, losses, backward and Adam of the suite's model."""
    method = faithful_model().train()
    index = torch.arange(BATCH)
    return _training(
        "training step",
        method,
        lambda image: method.losses({"image": image, "index": index})["loss"],
    )


def train_plain() -> Section:
    """The same step as the paper reads, loop by loop."""
    method = faithful_model().train()
    plain = PlainMaskedDLP(method.network.to(memory_format=torch.contiguous_format))
    return _training(
        "training step, plain reference",
        method,
        lambda image: plain.losses(image, image, method.beta_kl),
    )


def encode() -> Section:
    """Keypoints of a frozen model."""
    method = faithful_model().eval()
    image = torch.rand(BATCH, 3, 64, 64)

    @torch.no_grad()
    def step() -> object:
        return method.keypoints(image)

    return Section("encoding", BATCH, step)


def read() -> Section:
    """Batches of the stand-in from its cache, on the device as floats."""
    data = _faces()

    def forever() -> Iterator[Batch]:
        while True:
            yield from data.train_dataloader()

    batches = forever()
    return Section("reading", BATCH, lambda: data.to_batch(next(batches), torch.device("cpu")))


def render() -> Section:
    """Stand-in faces, drawn."""
    images = 1024
    factors = sample_factors(torch.arange(images), seed=0)
    return Section("rendering faces", images, lambda: render_faces(factors, 64, dtype=torch.uint8))


def _faces() -> CelebA:
    data = CelebA(
        source="standin",
        image_size=64,
        batch_size=BATCH,
        standin_sizes={"unsupervised": 512, "train": 32, "test": 32},
    )
    data.prepare_data()
    data.setup("fit")
    return data


SECTIONS: Final[dict[str, Callable[[], Section]]] = {
    "train": train,
    "train_plain": train_plain,
    "encode": encode,
    "read": read,
    "render": render,
}
