"""Method id -> class, imported on first use; outside packages join by an entry point.

An outside package adds a method with, in its ``pyproject.toml``::

    [project.entry-points."whatwhere.methods"]
    my_method = "my_package.module:MyMethod"
"""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from lightning_modules.interface import Method

METHODS: Final[dict[str, str]] = {
    "dlp": "lightning_modules.dlp.module:DeepLatentParticles",
    "dlp_objects": "lightning_modules.dlp.objects:DLPObjects",
    "deformable": "lightning_modules.deformable.module:DeformableGenerator",
    "deformable_conditional": (
        "lightning_modules.deformable.conditional:ConditionalDeformableGenerator"
    ),
    "deformable_amortised": "lightning_modules.deformable.module:AmortisedDeformableGenerator",
    "deformable_adversarial": (
        "lightning_modules.deformable.module:AdversarialDeformableGenerator"
    ),
    "deformable_video": "lightning_modules.deformable.video:DeformableVideo",
    "autolink": "lightning_modules.autolink.module:AutoLink",
    "keynet": "lightning_modules.keynet.module:KeyNet",
    "zhang": "lightning_modules.zhang.module:Zhang",
    "abp": "lightning_modules.abp.module:AlternatingBackPropagation",
    "dense_dae": "lightning_modules.dense_dae.module:DenseDAE",
    "dense_embedding": "lightning_modules.dense_embedding.module:DenseEmbedding",
    "mocogan": "lightning_modules.mocogan.module:MoCoGAN",
    "ddr": "lightning_modules.ddr.module:DDR",
    "sequential_vae": "lightning_modules.ddr.baselines:SequentialVAE",
    "ddr_vae": "lightning_modules.ddr.baselines:FrameVAE",
    "vae": "lightning_modules.vae.module:VAE",
    "graph_dynamics": "lightning_modules.dynamics.module:GraphDynamics",
    "transformer_dynamics": "lightning_modules.dynamics.module:TransformerDynamics",
    "copy_last": "lightning_modules.dynamics.controls:CopyLast",
    "constant_velocity": "lightning_modules.dynamics.controls:ConstantVelocity",
    "fixed_points": "lightning_modules.controls.points:FixedPoints",
    "random_points": "lightning_modules.controls.points:RandomPoints",
    "grid_particles": "lightning_modules.controls.grid:GridParticles",
    "nearest_picture": "lightning_modules.controls.memory:NearestPicture",
    "picture_pca": "lightning_modules.controls.memory:PicturePCA",
    "zero_field": "lightning_modules.controls.anchors:ZeroField",
    "grey_pixels": "lightning_modules.controls.anchors:GreyPixels",
    "frozen_backbone": "lightning_modules.controls.backbones:FrozenBackbone",
    "supervised_landmarks": "lightning_modules.controls.anchors:SupervisedLandmarks",
    "clip_pixels": "lightning_modules.controls.clips:ClipPixels",
    "clip_first_frame": "lightning_modules.controls.clips:ClipFirstFrame",
    "clip_constant": "lightning_modules.controls.clips:ClipConstant",
    "mean_frame": "lightning_modules.controls.mean_frame:MeanFrame",
    "pca": "lightning_modules.controls.pca:PixelPCA",
    "pca_gradients": "lightning_modules.controls.pca:GradientPCA",
}


class UnknownMethodError(ValueError):
    """No method has this id."""


def _targets() -> dict[str, str]:
    found = dict(METHODS)
    for point in entry_points(group="whatwhere.methods"):
        if found.setdefault(point.name, point.value) != point.value:
            raise ValueError(
                f"method '{point.name}' would be {point.value}, of an installed package, and is "
                f"{found[point.name]}: rename the package's entry point and install it again"
            )
    return found


def ids() -> list[str]:
    """All method ids, sorted."""
    return sorted(_targets())


def load(method_id: str) -> type[Method]:
    """The class of a method.

    Raises:
        UnknownMethodError: no method has this id; the message names the nearest ones.
        TypeError: the target is no subclass of `Method`.
        ValueError: it cannot be imported, or an installed package gives an id that is taken.
    """
    targets = _targets()
    if method_id not in targets:
        near = difflib.get_close_matches(method_id, targets) or ids()
        raise UnknownMethodError(
            f"unknown method '{method_id}'; did you mean {', '.join(near)}? "
            "`whatwhere list` shows all methods"
        )
    target = targets[method_id]
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"method '{method_id}' cannot be imported from {target}: {error}; mend the package "
            "or its entry point, and install it again"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise TypeError(f"method '{method_id}': {target} is not a subclass of Method")
    return found
