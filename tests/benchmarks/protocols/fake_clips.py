"""Clips of six persons whose channels tell all, and methods that read them.

Red has one row an expression, which lights up and goes again; green the person; blue noise. A
mirror leaves the expression alone, as it does with faces.
"""

import numpy as np
import torch

from datamodules.interface import DataError
from lightning_modules.interface import Codes, Method

NAMES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
PERSONS = (3, 5, 8, 13, 21, 34)
SPLITS = {"all": PERSONS, "train": PERSONS[:3], "test": PERSONS[3:]}
TAKES, FRAMES, SIDE = 2, 6, 8


def made(seed=0):
    """Clips (N, T, 3, SIDE, SIDE) uint8 and their labels, every person and expression twice."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(PERSONS, range(7), range(TAKES), indexing="ij")
    identity, expression, take = (part.ravel() for part in grid)
    clips = np.zeros((len(identity), FRAMES, 3, SIDE, SIDE), np.uint8)
    along = np.sin(np.linspace(0, np.pi, FRAMES))
    strength = rng.integers(120, 250, len(identity))
    rows = np.arange(len(identity))
    clips[rows, :, 0, expression] = (strength[:, None] * along)[..., None]
    looks = {who: rng.integers(0, 256, SIDE) for who in PERSONS}
    clips[:, :, 1] = np.stack([looks[who] for who in identity])[:, None, None]
    clips[:, :, 2] = rng.integers(0, 256, (len(identity), FRAMES, SIDE, SIDE))
    labels = {"identity": identity, "expression": expression, "sequence": 100 * identity + take}
    labels["sequence"] += 10 * expression
    return torch.from_numpy(clips), {key: torch.from_numpy(v) for key, v in labels.items()}


class Split:
    def __init__(self, clips, labels):
        self.clips, self.labels = clips, labels

    def __len__(self):
        return len(self.clips)


class Clips:
    """As much of a datamodule as protocols ask for; remembers who was read and handed out."""

    name = "fake"
    splits = tuple(SPLITS)

    def __init__(self, trained_split="all", *, relabel=None, seed=0):
        self.trained_split = trained_split
        self.label_names = {"expression": NAMES}
        clips, labels = made(seed)
        if relabel is not None:
            labels["expression"] = relabel(labels)
        self.sets = {}
        for split, persons in SPLITS.items():
            rows = torch.isin(labels["identity"], torch.tensor(persons))
            self.sets[split] = Split(clips[rows], {k: v[rows] for k, v in labels.items()})
        self.unit, self.read = "pictures", []

    def hand_out(self, unit):
        self.unit = unit

    def dataset(self, split):
        return self.sets[split]

    def eval_dataloader(self, split, batch_size):
        assert self.unit == "clips"
        self.read.append(split)
        found = self.sets[split]
        for rows in torch.arange(len(found)).split(batch_size):
            yield {
                "clip": found.clips[rows],
                "index": rows,
                "position": torch.linspace(0, 1, FRAMES).expand(len(rows), -1),
            } | {key: value[rows] for key, value in found.labels.items()}

    def to_batch(self, batch, device):
        return batch | {"clip": batch["clip"].float() / 255}


class Pictures(Clips):
    """The frames of the clips, one by one; nothing else is to be had."""

    def hand_out(self, unit):
        if unit != "pictures":
            raise DataError("fake has pictures, no clips")

    def eval_dataloader(self, split, batch_size):
        found = self.sets[split]
        labels = {key: value.repeat_interleave(FRAMES) for key, value in found.labels.items()}
        for rows in torch.arange(len(found) * FRAMES).split(batch_size):
            yield {"image": found.clips.flatten(0, 1)[rows], "index": rows} | {
                key: value[rows] for key, value in labels.items()
            }

    def to_batch(self, batch, device):
        return batch | {"image": batch["image"].float() / 255}


class Knows(Method):
    """*Where* is what moves, *what* who it is; its field moves as *where* says."""

    def __init__(self):
        super().__init__()
        self.register_buffer("learned", torch.ones(1))

    def encode_clip(self, clip):
        return Codes(clip[:, :, 0, :7, 0], clip[:, :, 1, 0])

    def clip_field(self, where):
        field = torch.zeros(*where.shape[:2], 2, 16, 16)
        field[..., 0, 0, :7] = where
        return field


class Entangled(Method):
    def encode_clip(self, clip):
        code = clip[:, :, :2].flatten(2)
        return Codes(code, code)


class Constant(Method):
    def encode_clip(self, clip):
        return Codes(clip.new_ones(*clip.shape[:2], 3), clip.new_zeros(*clip.shape[:2], 2))


class OnPictures(Method):
    """The codes of `Knows`, frame by frame."""

    def encode(self, image):
        assert image.ndim == 4
        return Codes(image[:, 0, :7, 0], image[:, 1, 0].unflatten(1, (2, 4)))

    def deformation(self, image):
        return image[:, :2].repeat(1, 1, 4, 4)


class Repaints(Knows):
    """Paints what its codes say; draws a random expression, and looks nobody has."""

    def decode_clip(self, codes):
        clip = torch.zeros(*codes.where.shape[:2], 3, SIDE, SIDE)
        clip[:, :, 0, :7] = codes.where[..., None]
        clip[:, :, 1] = codes.what[:, :, None]
        return clip * 1.1 - 0.05

    def draw_what(self, n, frames, generator):
        return torch.rand(n, 1, SIDE, generator=generator).expand(-1, frames, -1)

    def draw_where(self, n, frames, generator):
        chosen = torch.eye(7)[torch.randint(1, 7, (n,), generator=generator)]
        along = torch.linspace(0, torch.pi, frames).sin()
        return 0.7 * along[None, :, None] * chosen[:, None]
