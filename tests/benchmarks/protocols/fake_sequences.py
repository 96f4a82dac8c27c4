"""Clips of little figures whose colour is who and whose place is how, and methods that know it.

A frame of 8 px is dark; one column lights up, the pose; its colour is the look. Characters of
``train`` and ``test`` are others, their looks are not.
"""

import numpy as np
import torch

from datamodules.arrays import MemoryRows
from datamodules.clips import ClipDataset, ClipTable, Window
from lightning_modules.interface import Codes, Method

SIDE, POSES, LOOKS = 8, 6, 4
COLOURS = torch.tensor([[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0], [1.0, 1.0, 0.2]])
COUNTS = {"train": 32, "test": 16}


def painted(look, pose):
    """Frames (N, 3, SIDE, SIDE) in [0, 1] of looks (N, 3), colours, and poses (N,), 0 ... 5."""
    at = torch.linspace(0, SIDE - 1, SIDE)
    light = (1 - (at - 1 - pose[:, None]).abs()).clamp(min=0)
    return look[:, :, None, None] * light[:, None, None, :].expand(-1, -1, SIDE, -1)


class Figures:
    """As much of a datamodule as the protocol asks for.

    ``kind`` is "sprites" (attributes and pose), "digits" (two digits and places), "faces" (valence,
    arousal and persons with several sequences) or "plain" (no label).
    """

    name = "fake"

    def __init__(self, kind="sprites", frames=POSES):
        self.unit, self.read = "pictures", []
        rng = np.random.default_rng(0)
        total = sum(COUNTS.values())
        look = np.arange(total) % LOOKS
        pose = np.stack([rng.permutation(POSES)[:frames] for _ in range(total)])
        images = painted(
            COLOURS[torch.from_numpy(look)].repeat_interleave(frames, 0),
            torch.from_numpy(pose.ravel()).float(),
        )
        pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        clip_labels, frame_labels = labels_of(kind, look, pose)
        edges = np.cumsum([0, *COUNTS.values()])
        self.sets = {}
        for split, first, last in zip(COUNTS, edges[:-1], edges[1:], strict=True):
            table = ClipTable(
                start=np.arange(total) * frames,
                length=np.full(total, frames),
                names=[str(k) for k in range(total)],
                labels=clip_labels,
                splits={},
            )
            self.sets[split] = ClipDataset(
                MemoryRows(pixels), table, np.arange(first, last), Window(frames), frame_labels
            )

    def hand_out(self, unit):
        self.unit = unit

    def handed_out(self, split):
        assert self.unit == "clips"
        return self.sets[split], 4

    def eval_dataloader(self, split, batch_size):
        self.read.append(split)
        found = self.sets[split]
        for rows in torch.arange(len(found)).split(batch_size):
            yield found.__getitems__(rows.tolist())

    def to_batch(self, batch, device):
        return batch | {"clip": batch["clip"].float() / 255}


def labels_of(kind, look, pose):
    """Labels of clips and of frames (flat), by batch key."""
    number = np.arange(len(look))
    if kind == "plain":
        return {"identity": number}, {}
    if kind == "faces":
        values = np.stack([pose / 3 - 1, 1 - pose / 6], -1).astype(np.float32)
        # Persons have two sequences of one look.
        person = number // (2 * LOOKS) * LOOKS + look
        clips = {"identity": person, "sequence": number}
        return clips, {"valence_arousal": values.reshape(-1, 2)}
    if kind == "digits":
        digits = np.stack([look, np.where(number % 8 == 7, look, look + 1)], 1)
        place = np.stack([pose / 3 - 1, np.zeros_like(pose)], -1).astype(np.float32)
        places = np.stack([place, place], 2)
        return {"identity": number, "digits": digits}, {"positions": places.reshape(-1, 2, 2)}
    clips = {"identity": number} | dict.fromkeys(("body", "hair"), look % 2)
    return clips | {"topwear": look // 2, "bottomwear": look}, {"pose": pose.ravel()}


def look_of(clip):
    """The colour (B, 3) of clips, read from all of their frames."""
    return clip.amax((3, 4)).mean(1)


class Reads(Method):
    """*Where* is the pose, twice; *what* the colour."""

    def encode_clip(self, clip):
        light = clip.amax(2).mean(2)
        at = torch.linspace(0, SIDE - 1, SIDE)
        pose = (light * at).sum(-1) / light.sum(-1) - 1
        where = torch.stack([pose, pose], 2)
        return Codes(where, look_of(clip)[:, None].expand(-1, clip.shape[1], -1))

    def decode_clip(self, codes):
        frames = painted(codes.what.flatten(0, 1), codes.where.mean(2).flatten())
        return frames.view(*codes.where.shape[:2], *frames.shape[1:])

    def draw_where_given(self, what, frames, generator):
        pose = torch.randint(0, POSES, (len(what), frames, 1), generator=generator)
        return pose.float().expand(-1, -1, 2)


class Knows(Reads):
    """Reads *what* of two frames at a time, in any order, and bounds clips."""

    draws = 2

    def static_code(self, clip, order):
        order = order.expand(len(clip), -1)
        assert order.shape[1] % self.draws == 0
        return look_of(clip[torch.arange(len(clip))[:, None], order])

    def clip_bound(self, clip, generator):
        count = torch.ones(len(clip))
        return {"reconstruction": -60 * count, "kl_where": 12 * count, "kl_what": 6 * count}


class Hides(Knows):
    """Writes all of a frame into *where*: what is painted of a swap is the other clip."""

    def encode_clip(self, clip):
        codes = super().encode_clip(clip)
        return Codes(torch.cat([codes.where, codes.what], 2), codes.what)

    def decode_clip(self, codes):
        return super().decode_clip(Codes(codes.where[..., :2], codes.where[..., 2:]))

    def draw_where_given(self, what, frames, generator):
        code = super().draw_where_given(what, frames, generator)[:, :1].expand(-1, frames, -1)
        return torch.cat([code, what[:, None].expand(-1, frames, -1)], 2)


class Ordered(Reads):
    """Reads *what* from the first frame most of all."""

    def encode_clip(self, clip):
        codes = super().encode_clip(clip)
        return codes._replace(what=codes.what + codes.where[:, :1, :1])


class OnFrames(Method):
    """One entangled code of pictures."""

    def encode(self, image):
        code = image.amax(2).flatten(1)
        return Codes(code, code)
