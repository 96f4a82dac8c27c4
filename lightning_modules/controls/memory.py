"""Controls that remember their training pictures: the nearest one, and principal components."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightning_modules.interface import Batch, Codes, Method


class PictureMemory(Method):
    """Keeps every picture it is trained on, as bytes; one memory for each of its trainings.

    Args:
        image_size: side of the picture, pixels; only for a signature like every method's.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.image_size = image_size
        self._seen: list[dict[int, Tensor]] = [{}]

    def begin_finetuning(self) -> None:
        """Start another memory: the new pictures have the same ids."""
        self._seen.append({})

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # type: ignore[override]
        """Remember the pictures."""
        images = (batch["image"] * 255).round().byte().cpu()
        self._seen[-1].update(zip(batch["index"].tolist(), images, strict=True))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing to log."""

    def configure_optimizers(self) -> Any:
        """No optimiser."""
        return None

    def remembered(self, *, all_trainings: bool, device: torch.device) -> Tensor:
        """Pictures (N, C H W) in [0, 1], of the last training or of all.

        Raises:
            RuntimeError: there is none.
        """
        memories = self._seen if all_trainings else self._seen[-1:]
        images = [image for memory in memories for _, image in sorted(memory.items())]
        if not images:
            raise RuntimeError(f"{type(self).__name__} has seen no picture; train it first")
        return torch.stack(images).to(device).flatten(1).float() / 255

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was seen."""
        checkpoint["memories"] = [
            {"index": torch.tensor(list(memory)), "images": torch.stack(list(memory.values()))}
            for memory in self._seen
            if memory
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        self._seen = [
            dict(zip(memory["index"].tolist(), memory["images"], strict=True))
            for memory in checkpoint["memories"]
        ] or [{}]


class NearestPicture(PictureMemory):
    """Reconstructs a picture by the one of its last training with the least squared error.

    Args:
        image_size: side of the picture, pixels.
    """

    def __init__(self, image_size: int = 64) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()

    def reconstruct(self, image: Tensor) -> Tensor:
        """The nearest picture, (B, C, H, W) in [0, 1]."""
        known = self.remembered(all_trainings=False, device=image.device)
        # |a - b|^2 = |a|^2 - 2 a b + |b|^2, and |a|^2 is the same for all b.
        score = known.square().sum(1) - 2 * image.flatten(1) @ known.T
        return known[score.argmin(1)].view_as(image)


class PicturePCA(PictureMemory):
    """Principal components of whole pictures, of all trainings together.

    Args:
        n_components: length of the code.
        image_size: side of the picture, pixels.
        image_channels: 3 for colour, 1 for grey.
    """

    _OVERSAMPLED = 32
    _ITERATIONS = 4

    def __init__(
        self, n_components: int = 128, image_size: int = 64, image_channels: int = 3
    ) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()
        self.shape = (image_channels, image_size, image_size)
        numbers = image_channels * image_size**2
        self.mean: Tensor
        self.components: Tensor
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("components", torch.zeros(n_components, numbers))

    def on_train_epoch_end(self) -> None:
        """In the last epoch, solve for the components of largest variance.

        Randomised subspace iteration: all components of 11,000 pictures would take minutes.

        Raises:
            ValueError: there are fewer pictures than components.
        """
        run = self._trainer
        if run is not None and run.max_epochs and run.current_epoch + 1 < run.max_epochs:
            return
        known, count = self.remembered(all_trainings=True, device=self.device), len(self.components)
        if len(known) <= count:
            raise ValueError(f"{count} components need more than {len(known)} pictures")
        mean = known.mean(0)
        width = min(count + self._OVERSAMPLED, len(known))
        _, _, directions = torch.svd_lowrank(known.sub_(mean), width, niter=self._ITERATIONS)
        self.mean.copy_(mean)
        self.components.copy_(directions[:, :count].T)

    def encode(self, image: Tensor) -> Codes:
        """Scores (B, n_components): one entangled code, given as both."""
        code = (image.flatten(1) - self.mean) @ self.components.T
        return Codes(code, code)

    def decode(self, codes: Codes) -> Tensor:
        """Pictures (B, C, S, S) of scores."""
        return (codes.what @ self.components + self.mean).view(-1, *self.shape)

    def reconstruct(self, image: Tensor) -> Tensor:
        """The picture as its components tell it."""
        return self.decode(self.encode(image))
