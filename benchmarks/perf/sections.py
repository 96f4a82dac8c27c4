"""What is timed: each section prepares itself and hands back one step and the pictures in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import torch

from benchmarks.perf.plain import PlainMaskedDLP
from benchmarks.perf.plain_ddr import PlainDDR
from benchmarks.perf.plain_deformable import PlainDeformable
from benchmarks.perf.plain_objects import PlainObjectDLP
from datamodules.celeba import CelebA
from datamodules.interface import DataModule
from datamodules.moving_mnist import MovingMNIST
from datamodules.standins.faces import render_faces, sample_factors
from lightning_modules.ddr.module import DDR
from lightning_modules.ddr.network import Noise
from lightning_modules.deformable.module import DeformableGenerator
from lightning_modules.dlp.learner import ParticleLearner
from lightning_modules.dlp.module import DeepLatentParticles
from lightning_modules.dlp.object_network import Drawn
from lightning_modules.dlp.objects import DLPObjects
from lightning_modules.interface import Batch
from lightning_modules.layers.compositing import lay_over

BATCH: Final = 16
CHAINS: Final = 100
SCENES: Final = 32

# The paper's masked model at 64 px, as the authors' code configures it for that size.
FAITHFUL_64: Final = {
    "image_size": 64,
    "n_keypoints": 30,
    "channels": (32, 64, 128),
    "decoder_channels": (128, 64),
    "reconstruction": "mse",
}

# The paper's object models of Shapes, 64 px, and of Traffic, 128 px.
SHAPES: Final = {
    "image_size": 64,
    "n_proposals": 15,
    "patch_size": 8,
    "feature_dim": 6,
    "channels": (32, 64, 128),
    "decoder_channels": (128, 64),
    "glimpse_phase": 0,
    "noise_phase": 0,
}
TRAFFIC: Final = {"n_keypoints": 15, "feature_dim": 20}


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
    title: str, method: ParticleLearner, loss: Callable[[torch.Tensor], torch.Tensor]
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


def objects() -> Section:
    """Forward, losses, backward and Adam of the object model."""
    torch.manual_seed(0)
    method = DLPObjects(**SHAPES).train()  # type: ignore[arg-type]
    index = torch.arange(BATCH)
    return _training(
        "object model, training step",
        method,
        lambda image: method.losses({"image": image, "index": index})["loss"],
    )


def objects_plain() -> Section:
    """The same step as the paper reads, loop by loop."""
    torch.manual_seed(0)
    method = DLPObjects(**SHAPES).train()  # type: ignore[arg-type]
    plain = PlainObjectDLP(method.network.to(memory_format=torch.contiguous_format))
    return _training(
        "object model, training step, plain reference",
        method,
        lambda image: plain.losses(image, image, method.beta_kl),
    )


def _painting(title: str, *, plain: bool, whole: bool) -> Section:
    torch.manual_seed(0)
    method = DLPObjects(**TRAFFIC).eval()  # type: ignore[arg-type]
    network, count, side = method.network, method.network.shape.n_keypoints, 32
    points = torch.rand(SCENES, count, 2) * 2 - 1
    drawn = Drawn(
        points,
        torch.randn(SCENES, count, 20),
        torch.randn(SCENES, 20),
        torch.rand(SCENES, count),
        network.own_size(points),
        None,
    )
    painted, behind = torch.rand(SCENES, count, 4, side, side), torch.rand(SCENES, 3, 128, 128)
    if plain:
        network.to(memory_format=torch.contiguous_format)
    reference = PlainObjectDLP(network)

    @torch.no_grad()
    def step() -> object:
        if whole:
            return (reference if plain else network).decode(drawn)
        if plain:
            return reference.compose(painted, drawn, behind)
        placed, weights = network.lay(painted, drawn)
        return lay_over(behind, placed.values[:, :, 1:], weights, placed.pixels)

    return Section(title, SCENES, step)


def compose() -> Section:
    """Glimpses of 15 particles put in place and laid over each other, at 128 px."""
    return _painting("object model, compositing", plain=False, whole=False)


def compose_plain() -> Section:
    """The same as the paper reads, one particle's canvas after the other."""
    return _painting("object model, compositing, plain reference", plain=True, whole=False)


def paint() -> Section:
    """The same with what paints glimpses and background: mostly convolutions."""
    return _painting("object model, decoding", plain=False, whole=True)


def paint_plain() -> Section:
    """The same as the paper reads."""
    return _painting("object model, decoding, plain reference", plain=True, whole=True)


def encode() -> Section:
    """Keypoints of a frozen model."""
    method = faithful_model().eval()
    image = torch.rand(BATCH, 3, 64, 64)

    @torch.no_grad()
    def step() -> object:
        return method.keypoints(image)

    return Section("encoding", BATCH, step)


def _reading(title: str, data: DataModule, images: int) -> Section:
    data.prepare_data()
    data.setup("fit")

    def forever() -> Iterator[Batch]:
        while True:
            yield from data.train_dataloader()

    batches = forever()
    next(batches)  # takes the cache into memory
    return Section(title, images, lambda: data.to_batch(next(batches), torch.device("cpu")))


def read() -> Section:
    """Batches of the stand-in from its cache, on the device as floats."""
    sizes = {"unsupervised": 512, "train": 32, "test": 32}
    data = CelebA(image_size=64, batch_size=BATCH, standin_sizes=sizes)
    return _reading("reading", data, BATCH)


def read_clips() -> Section:
    """Clips of 20 frames from Moving MNIST's cache, shuffled, on the device as floats."""
    sizes = {"train": 2000, "val": 100, "test": 100}
    data = MovingMNIST(image_size=64, clip_batch_size=BATCH, sizes=sizes)
    data.hand_out("clips")
    return _reading("reading clips, frames", data, BATCH * data.length)


def _ddr(title: str, *, plain: bool) -> Section:
    torch.manual_seed(0)
    method = DDR(channels=(32, 64, 128, 256), pair_channels=256, hidden=256).train()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-4, fused=True)
    clip, index = torch.rand(BATCH, 3, 3, 64, 64), torch.arange(BATCH)
    reference = PlainDDR(method.network)

    def learn() -> None:
        optimizer.zero_grad()
        if plain:
            noise = Noise(torch.randn(BATCH, 256), torch.randn(BATCH, 3, 2))
            loss = reference.loss(clip, noise)
        else:
            loss = method.losses({"clip": clip, "index": index})["loss"]
        torch.autograd.backward(loss)
        optimizer.step()

    return Section(title, 3 * BATCH, learn)


def ddr() -> Section:
    """Forward, bound, backward and Adam of DDR, narrower than the paper's; counted are frames."""
    return _ddr("DDR, training step", plain=False)


def ddr_plain() -> Section:
    """The same as the paper reads, frame by frame and pair by pair."""
    return _ddr("DDR, training step, plain reference", plain=True)


def _visit(title: str, *, plain: bool) -> Section:
    torch.manual_seed(0)
    method = DeformableGenerator().train()
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-3)
    image, index = torch.rand(CHAINS, 3, 64, 64), torch.arange(CHAINS)
    sigma = method.inference_scale * method.sigma[-1]
    reference = PlainDeformable(method.generators, sigma, method.step_size)
    codes = torch.randn(CHAINS, method.shape.code_dim)

    def learn() -> None:
        optimizer.zero_grad()
        if plain:
            noise = [torch.randn_like(codes) for _ in range(method.langevin_steps)]
            codes.copy_(reference.visit(image, codes, noise)[0])
        else:
            torch.autograd.backward(method.losses({"image": image, "index": index})["loss"])
        optimizer.step()

    return Section(title, CHAINS, learn)


def visit() -> Section:
    """20 Langevin steps on both codes, then a learning step."""
    return _visit("Deformable Generator, visit", plain=False)


def visit_plain() -> Section:
    """The same as the paper's loop reads."""
    return _visit("Deformable Generator, visit, plain reference", plain=True)


def infer() -> Section:
    """Codes of pictures never seen, by a chain of 300 steps."""
    torch.manual_seed(0)
    method = DeformableGenerator().eval().requires_grad_(False)
    image = torch.rand(CHAINS, 3, 64, 64)
    return Section("Deformable Generator, inference", CHAINS, lambda: method.infer(image))


def render() -> Section:
    """Stand-in faces, drawn."""
    images = 1024
    factors = sample_factors(torch.arange(images), seed=0)
    return Section("rendering faces", images, lambda: render_faces(factors, 64, dtype=torch.uint8))


SECTIONS: Final[dict[str, Callable[[], Section]]] = {
    "train": train,
    "train_plain": train_plain,
    "objects": objects,
    "objects_plain": objects_plain,
    "compose": compose,
    "compose_plain": compose_plain,
    "paint": paint,
    "paint_plain": paint_plain,
    "encode": encode,
    "read": read,
    "read_clips": read_clips,
    "visit": visit,
    "visit_plain": visit_plain,
    "infer": infer,
    "ddr": ddr,
    "ddr_plain": ddr_plain,
    "render": render,
}
