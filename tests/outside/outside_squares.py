"""A dataset from outside the suite: a square on black, its four corners the landmarks."""

import numpy as np

from datamodules.cache_writer import SplitPlan
from datamodules.interface import DataModule, Report

SIDE = 4


class Squares(DataModule):
    name = "outside_squares"
    splits = ("unsupervised", "val", "train", "test")
    training_split = "unsupervised"
    validation_split = "val"
    margin = 0
    command = "whatwhere data prepare outside_squares"

    def __init__(self, *, count: int = 32, **others):
        super().__init__(**others)
        self.count = count

    def recipe(self):
        return {"count": self.count, "image_size": self.image_size, "source": self.source}

    def content_hash(self):
        return "made up"

    def plan(self):
        return {split: self._draw(number, split) for number, split in enumerate(self.splits)}

    @classmethod
    def verify(cls, root):
        return Report("outside_squares", str(root))

    def _draw(self, seed: int, split: str) -> SplitPlan:
        size = self.image_size
        corners = np.random.default_rng(seed).integers(0, size - SIDE, (self.count, 2))
        images = np.zeros((self.count, size, size, 3), np.uint8)
        for image, (x, y) in zip(images, corners, strict=True):
            image[y : y + SIDE, x : x + SIDE] = 200
        square = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]])
        landmarks = (corners[:, None] + square) * 2 / size - 1
        return SplitPlan(
            count=self.count,
            shape=images.shape[1:],
            labels={"landmarks": landmarks.astype(np.float32)},
            names=[f"{split}-{row}" for row in range(self.count)],
            images=lambda: enumerate(images),
        )
