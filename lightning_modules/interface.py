"""What a method can do: the base LightningModule and the capabilities that protocols ask for.

A method declares a capability by having its method; nothing is registered. A protocol asks with
``isinstance(method, HasKeypoints)`` and scores ``n/a`` where the answer is no.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import pytorch_lightning as pl
from torch import Generator, Tensor

from lightning_modules.terms import loss_terms

Batch = dict[str, Any]
"""A batch of a datamodule: ``image`` (B, C, H, W) or ``clip`` (B, T, C, H, W), float32 in [0, 1],
``index`` (B,) int64, ...; where a method asks for `Method.pairs`, training batches also hold
``pair`` (B, C, H, W), the picture warped once more, and ``pair_source`` (B, H, W, 2), where in
``image`` each of its pixels comes from, (x, y) in [-1, 1]."""

Unit = Literal["pictures", "clips"]
"""What a method is trained on, and a datamodule with clips hands out."""


class Keypoints(NamedTuple):
    """Points in (x, y) order, [-1, 1], with the logarithm of their variance where known.

    Shapes: ``mean`` (B, K, 2); ``log_variance`` (B, K, 2) or None.
    """

    mean: Tensor
    log_variance: Tensor | None


class Particles(NamedTuple):
    """What a picture is made of: K particles, and what lies behind them.

    ``position`` (B, K, 2), (x, y) in [-1, 1]; ``log_variance`` (B, K, 2), of the position;
    ``size`` (B, K, 2), sides (width, height) of what a particle paints, the picture's being 2;
    ``feature`` (B, K, D), appearance; ``presence`` (B, K) in [0, 1], ``depth`` (B, K), larger is
    nearer, and ``background`` (B, D), features of what no particle paints, where the method has
    them; ``context`` (B, ...), what else of the picture `HasParticles.render` needs, if anything.
    """

    position: Tensor
    log_variance: Tensor
    size: Tensor
    feature: Tensor
    presence: Tensor | None = None
    depth: Tensor | None = None
    background: Tensor | None = None
    context: Tensor | None = None


class Codes(NamedTuple):
    """The two codes of a picture; an entangled method gives the same tensor twice."""

    where: Tensor
    what: Tensor


@runtime_checkable
class HasKeypoints(Protocol):
    """Finds points in a picture."""

    def keypoints(self, image: Tensor) -> Keypoints:
        """Points of ``image`` (B, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class HasParticles(Protocol):
    """Explains a picture by particles that can be moved, changed and left out one by one."""

    painted_by: tuple[str, ...]
    """Fields of `Particles` that `render` reads; a change of any other changes no pixel."""

    def particles(self, image: Tensor) -> Particles:
        """Particles of ``image`` (B, C, H, W) in [0, 1], at the mean of their posterior."""
        ...

    def render(self, particles: Particles) -> Tensor:
        """Picture (B, C, H, W) of ``particles``, of any number K; values may leave [0, 1].

        Raises:
            ValueError: the method cannot paint so many, or so few, or a field is None that it
                paints by. A presence of 0 leaves a particle out everywhere.
        """
        ...


@runtime_checkable
class HasMasks(HasParticles, Protocol):
    """Its particles share the picture's pixels between them and a background."""

    def masks(self, particles: Particles) -> Tensor:
        """Share of each pixel that each particle paints, (B, K, H, W) in [0, 1]."""
        ...


@runtime_checkable
class HasParticleDynamics(HasParticles, Protocol):
    """Tells where the particles of a clip go next."""

    def predict_particles(self, clip: Tensor, horizon: int) -> Particles:
        """Particles of the ``horizon`` frames that follow ``clip`` (B, T, C, H, W).

        Every field has ``horizon`` after B: ``position`` (B, horizon, K, 2). Particle k of a frame
        is particle k of the next.
        """
        ...


@runtime_checkable
class HasDeformation(Protocol):
    """Explains a picture by a dense displacement field."""

    def deformation(self, image: Tensor) -> Tensor:
        """Displacement (B, 2, H, W), (x, y) in units where the picture spans [-1, 1]."""
        ...


@runtime_checkable
class HasEmbedding(Protocol):
    """Gives every place of a picture a vector, alike where it shows the same thing."""

    def embedding(self, image: Tensor) -> Tensor:
        """Vectors (B, C, h, w) of ``image`` (B, C, H, W) in [0, 1], on a grid over all of it."""
        ...


@runtime_checkable
class HasFeatures(Protocol):
    """Describes a picture by numbers that are no field: for anchors of dense protocols."""

    def features(self, image: Tensor) -> Tensor:
        """Features (B, D) of ``image``."""
        ...


@runtime_checkable
class HasCodes(Protocol):
    """Encodes a picture into codes."""

    def encode(self, image: Tensor) -> Codes:
        """Codes of ``image`` (B, C, H, W) in [0, 1], batch first."""
        ...


@runtime_checkable
class HasDecoder(Protocol):
    """Paints a picture from codes."""

    def decode(self, codes: Codes) -> Tensor:
        """Picture (B, C, H, W); values may leave [0, 1]."""
        ...


@runtime_checkable
class HasPrior(HasDecoder, Protocol):
    """Decodes flat codes that have a standard normal prior."""

    def prior_mean(self) -> Codes:
        """Codes (1, D) of zeros; of an entangled method one tensor, given as both."""
        ...


@runtime_checkable
class HasClasses(HasPrior, Protocol):
    """Its *what* is a class: there are as many of them as classes, and nothing between.

    `prior_mean` holds the *what* of one of them instead of zeros.
    """

    def class_codes(self) -> Tensor:
        """*What* of every class, (K, D), in the order of their labels."""
        ...

    def class_pictures(self) -> Tensor:
        """What is painted of every class before anything is put into place, (K, C, H, W)."""
        ...


@runtime_checkable
class HasCanonical(Protocol):
    """Paints a picture by warping a canonical one."""

    def canonical(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of ``image`` (B, C, H, W): canonical picture, displacement (B, 2, H, W), picture."""
        ...


@runtime_checkable
class HasReconstruction(Protocol):
    """Paints a picture again from what it kept of it."""

    def reconstruct(self, image: Tensor) -> Tensor:
        """Reconstruction of ``image``, same shape; values may leave [0, 1]."""
        ...


@runtime_checkable
class HasChains(Protocol):
    """Finds codes by a random chain, so that every try reconstructs a little differently."""

    def reconstruct_by_chain(self, image: Tensor, chain: int) -> Tensor:
        """Reconstruction of ``image``, same shape, from the codes of one of its chains."""
        ...


@runtime_checkable
class HasPrediction(Protocol):
    """Continues a clip."""

    def predict(self, clip: Tensor, horizon: int) -> Tensor:
        """The ``horizon`` frames (B, horizon, C, H, W) that follow ``clip`` (B, T, C, H, W)."""
        ...


@runtime_checkable
class HasClipCodes(Protocol):
    """Encodes a clip into two codes a frame; what is the same all along is repeated."""

    def encode_clip(self, clip: Tensor) -> Codes:
        """Codes (B, T, D) each of ``clip`` (B, T, C, H, W) in [0, 1]."""
        ...


@runtime_checkable
class HasClipField(HasClipCodes, Protocol):
    """Its *where* code of a frame stands for a dense displacement field."""

    def clip_field(self, where: Tensor) -> Tensor:
        """Displacement (B, T, 2, H, W), (x, y) in [-1, 1] units, of *where* codes (B, T, D)."""
        ...


@runtime_checkable
class HasClipCanonical(HasClipField, Protocol):
    """Paints a clip by warping canonical frames."""

    def canonical_clip(self, what: Tensor) -> Tensor:
        """What is painted of *what* codes (B, T, D) before it is warped, (B, T, C, H, W)."""
        ...


@runtime_checkable
class HasClipDecoder(Protocol):
    """Paints a clip from the codes of its frames."""

    def decode_clip(self, codes: Codes) -> Tensor:
        """Clip (B, T, C, H, W); values may leave [0, 1]."""
        ...


@runtime_checkable
class HasClipPrior(HasClipDecoder, Protocol):
    """Draws the codes of whole clips from its prior: of one kind, with the other kept."""

    def draw_where(self, n: int, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (n, frames, D) of clips nobody saw."""
        ...

    def draw_what(self, n: int, frames: int, generator: Generator) -> Tensor:
        """*What* codes (n, frames, D) of clips nobody saw."""
        ...


@runtime_checkable
class HasConditionalPrior(HasClipDecoder, Protocol):
    """Draws the *where* codes of frames from a prior that knows the clip's *what*."""

    def draw_where_given(self, what: Tensor, frames: int, generator: Generator) -> Tensor:
        """*Where* codes (B, frames, Dz) of clips with *what* codes (B, Df)."""
        ...


@runtime_checkable
class HasStaticCode(HasClipCodes, Protocol):
    """Reads one *what* code of a clip from whichever of its frames, in whatever order."""

    def static_code(self, clip: Tensor, order: Tensor) -> Tensor:
        """*What* (B, Df) of ``clip`` (B, T, C, H, W), read from frames in a given order.

        ``order`` int64 holds places in [0, T), (M,) or of each clip (B, M).
        """
        ...


@runtime_checkable
class HasClipBound(Protocol):
    """Bounds the log-likelihood of a clip from below."""

    def clip_bound(self, clip: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Parts of the evidence bound of every clip (B, T, C, H, W), nats, (B,) each.

        ``reconstruction``, log p(x | codes) summed over all frames, at most 0 for a Bernoulli;
        ``kl_where``, summed over all frames; ``kl_what``, once a clip. The bound is
        ``reconstruction - kl_where - kl_what``. ``generator`` draws the codes.
        """
        ...


@runtime_checkable
class HasSamples(Protocol):
    """Draws pictures from its prior."""

    def sample(self, n: int) -> Tensor:
        """``n`` pictures (n, C, H, W)."""
        ...


class Method(pl.LightningModule):
    """Base of every method: losses in, logged losses out.

    A subclass calls ``save_hyperparameters()`` first (plain numbers and strings only, so that
    checkpoints load with ``weights_only=True``), builds its networks, and implements `losses`
    and `configure_optimizers`.

    ``learns_from`` are keys of labels that its training batches have to hold.

    ``trains_on`` names the split it is trained on where that is not the dataset's own choice: only
    supervised anchors have a reason to. ``sees`` says whether its batches hold ``image`` or
    ``clip``. ``pairs`` is for methods that cannot learn but from two warped views of a picture.
    ``draws`` is how many frames of each clip, drawn at random by the datamodule, its
    training batches hold; 0 for clips as the dataset shows them. ``uncompiled`` names parts that
    ``torch.compile`` has to leave alone: it takes no second derivative.
    """

    learns_from: ClassVar[frozenset[str]] = frozenset()
    trains_on: ClassVar[str | None] = None
    sees: ClassVar[Unit] = "pictures"
    pairs: ClassVar[bool] = False
    draws: int = 0
    uncompiled: ClassVar[frozenset[str]] = frozenset()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Loss terms of one batch; ``loss`` is what is minimised, the rest is logged.

        Raises:
            NotImplementedError: the method is not trained by a loss (it then has a
                ``training_step`` of its own).
        """
        raise NotImplementedError(f"{type(self).__name__} has neither losses nor a training_step")

    def begin_finetuning(self) -> None:
        """Get ready for a second training, on other pictures; nothing by default."""

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of the training that this one builds on, before it begins.

        Raises:
            TypeError: the method builds on no other.
        """
        raise TypeError(
            f"{type(self).__name__} builds on no other method's training: take `starts_from` out "
            "of its row"
        )

    @classmethod
    def resolve_arguments(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Settle arguments that depend on this machine before a cell is named after them."""
        return arguments

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Minimise ``loss``; log every term as ``train/<term>``."""
        losses = loss_terms(self, self.losses(batch))
        # The mean over all processes of a cell; each of them goes through all validation data.
        self._log_losses("train", losses, len(batch["index"]), over_processes=True)
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log every term as ``val/<term>``, averaged over the validation pictures."""
        self._log_losses("val", loss_terms(self, self.losses(batch)), len(batch["index"]))

    def _log_losses(
        self,
        stage: str,
        losses: dict[str, Tensor],
        batch_size: int,
        *,
        over_processes: bool = False,
    ) -> None:
        self.log_dict(
            {f"{stage}/{name}": value.detach() for name, value in losses.items()},
            batch_size=batch_size,
            on_step=False,
            on_epoch=True,
            sync_dist=over_processes,
        )
