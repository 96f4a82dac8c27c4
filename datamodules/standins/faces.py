"""Stand-in faces: one parametric renderer for every face data set of the suite.

A face is a smooth union of ellipsoids with a real turn of the head, painted in head coordinates and
lit from any side. Every factor is known, and landmarks are exact projections of points on the
surface. Face ``i`` of a seed is the same in whatever batch it is rendered.

    factors = sample_factors(torch.arange(64), seed=0)
    images = render_faces(factors, 64)                        # (64, 3, 64, 64) in [0, 1]
    points = face_landmarks(factors, 64, count=68)            # (64, 68, 2) in [-1, 1]
"""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.standins import face_layers as layers
from datamodules.standins import face_looks as looks
from datamodules.standins.face_camera import Camera, Crop, aligned_camera, portrait_camera
from datamodules.standins.face_expressions import (
    ACTIONS,
    EXPRESSIONS,
    affect_actions,
    expression_actions,
    valence_arousal,
)
from datamodules.standins.face_factors import (
    SCENE,
    TRAITS,
    FaceFactors,
    light_direction,
    sample_factors,
)
from datamodules.standins.face_geometry import PIVOT, Head, head, rotation, to_world, turned
from datamodules.standins.face_landmarks import features, landmarks_5, landmarks_68
from datamodules.standins.face_paint import paint, paint_features
from datamodules.standins.face_raster import (
    FAR,
    Grid,
    cast,
    cover,
    frame,
    quadrics,
    union,
)
from datamodules.standins.face_shading import light_numbers, shade

__all__ = [
    "ACTIONS",
    "EXPRESSIONS",
    "RECIPE_VERSION",
    "SCENE",
    "TRAITS",
    "Crop",
    "FaceFactors",
    "affect_actions",
    "expression_actions",
    "face_landmarks",
    "light_direction",
    "render_faces",
    "sample_factors",
    "valence_arousal",
]

#: Raised whenever a change moves any pixel or landmark.
RECIPE_VERSION = 2

# Pixels worked on at once: few enough for a picture's layers to stay in the processor's cache, and
# with several threads enough for their turns at the interpreter's lock not to outlast the work.
_CHUNK_PIXELS = 80_000
_CHUNK_PIXELS_THREADED = 240_000
# Width in picture coordinates of the seam around what is drawn in the feature window.
_FADE = 0.06
# Corners of the box of head coordinates that holds all painted features.
_BOX = ((-0.62, 0.62), (-0.72, 1.16), (0.30, 1.10))


class _Model(NamedTuple):
    """Geometry of a batch before any pixel is drawn."""

    head: Head
    features: dict[str, Tensor]
    turn: Tensor
    camera: Camera


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 8:
        raise ValueError(f"a face needs at least 8 by 8 pixels, got {height} by {width}")
    return height, width


def _model(factors: FaceFactors, height: int, width: int, crop: Crop) -> _Model:
    shape = head(factors)
    numbers = features(factors, shape)
    turn = rotation(factors.yaw, factors.pitch, factors.roll)
    if crop == "portrait":
        camera = portrait_camera(factors, width / height)
    elif crop == "aligned":
        five = to_world(landmarks_5(shape, numbers), turn)
        camera = aligned_camera(factors, five[..., :2])
    else:
        raise ValueError(f"crop is 'portrait' or 'aligned', got {crop!r}")
    return _Model(shape, numbers, turn, camera)


@torch.no_grad()
def face_landmarks(
    factors: FaceFactors,
    size: int | tuple[int, int] = 64,
    *,
    crop: Crop = "portrait",
    count: int = 5,
) -> Tensor:
    """Landmarks in picture coordinates, seen or hidden.

    Args:
        factors: B faces.
        size: Height and width of the picture; only their ratio matters.
        crop: As in :func:`render_faces`.
        count: 5 (eye centres, nose tip, mouth corners, left in the picture first) or 68 (the order
            of Multi-PIE and 300-W).

    Returns:
        (B, count, 2) float32, (x, y) in [-1, 1] where inside the picture.

    Raises:
        ValueError: For another count or crop.
    """
    if count not in (5, 68):
        raise ValueError(f"count is 5 or 68, got {count}")
    model = _model(factors, *_size(size), crop)
    marks = (landmarks_5 if count == 5 else landmarks_68)(model.head, model.features)
    return model.camera.project(to_world(marks, model.turn)).float()


@torch.no_grad()
def render_faces(
    factors: FaceFactors,
    size: int | tuple[int, int] = 64,
    *,
    crop: Crop = "portrait",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Pictures of faces.

    Args:
        factors: B faces, on the device to render on.
        size: Height and width in pixels, or one number for a square.
        crop: ``portrait`` shows head and shoulders; ``aligned`` moves, turns and scales the face as
            CelebA's alignment does (made for 218 by 178).
        dtype: ``torch.float32`` for values in [0, 1], ``torch.uint8`` for 0 to 255.

    Returns:
        (B, 3, H, W).

    Raises:
        ValueError: For another dtype or crop, or a picture under 8 pixels.
    """
    if dtype not in (torch.float32, torch.uint8):
        raise ValueError(f"dtype is torch.float32 or torch.uint8, got {dtype}")
    height, width = _size(size)
    device = factors.index.device
    out = torch.empty(len(factors), 3, height, width, dtype=dtype, device=device)
    if len(factors) == 0:
        return out
    scene = _Scene(factors, _model(factors, height, width, crop), height, width)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    pixels = _CHUNK_PIXELS if threads == 1 else _CHUNK_PIXELS_THREADED
    rounds = math.ceil(len(factors) * height * width / (pixels * threads))
    step = math.ceil(len(factors) / (rounds * threads))

    @torch.no_grad()
    def draw(start: int) -> None:
        picture = scene.picture(start, min(start + step, len(factors))).clamp_(0, 1)
        if dtype == torch.uint8:
            picture = picture.mul_(255).add_(0.5)
        out[start : start + step] = picture

    starts = range(0, len(factors), step)
    if min(threads, len(starts)) == 1:
        for start in starts:
            draw(start)
        return out
    # A thread a chunk, each on one core: splitting every small operation over the cores instead
    # gains little, and stalls at each of its thousand barriers when another process wants a core.
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(draw, starts))
    finally:
        torch.set_num_threads(before)
    return out


class _Scene:
    """Everything about a batch that is one number a face; draws the pixels of some faces."""

    def __init__(self, factors: FaceFactors, model: _Model, height: int, width: int) -> None:
        camera, turn, shape = model.camera, model.turn, model.head
        pixel = camera.matrix[:, :, 1].norm(dim=1) * 2 / height
        hair = layers.hair_solids(factors, shape.numbers)
        glasses = layers.glasses_solids(factors, shape.numbers)
        pivot = torch.tensor(PIVOT, dtype=torch.float64, device=turn.device)
        self.grid = Grid.of(height, width, turn.device)
        self.outline = quadrics(turned(shape.outline, turn), camera)
        self.features = quadrics(turned(shape.features, turn), camera)
        self.hair = quadrics(turned(hair, turn), camera)
        self.glasses = quadrics(turned(glasses, turn), camera)
        self.body = quadrics(layers.body_solids(factors), camera)
        self.frame = frame(turn, camera, pivot)
        upright = torch.eye(3, dtype=torch.float64, device=turn.device).expand_as(turn)
        self.world = frame(upright, camera, pivot)
        corners = torch.cartesian_prod(
            *(torch.tensor(side, dtype=torch.float64, device=turn.device) for side in _BOX)
        )
        flat = camera.project(to_world(corners.expand(len(turn), -1, -1), turn))
        self.box_low, self.box_high = flat.amin(dim=1).float(), flat.amax(dim=1).float()
        ear = {f"ear_{k}": shape.numbers[f"ear.{k}"] for k in "xyz"}
        c = looks.named(factors)
        contrast = 0.85 + 0.3 * c["contrast"]
        exposure = 0.84 + 0.32 * c["exposure"]
        self.numbers = looks.columns(
            looks.looks(factors, pixel)
            | looks.hair_numbers(factors)
            | layers.background_numbers(factors)
            | layers.cloth_numbers(factors)
            | layers.glasses_numbers(factors)
            | light_numbers(factors, camera, height, width)
            | model.features
            | ear
            | {"gain": contrast * exposure, "lift": 0.45 * (1 - contrast)}
        )

    def _box(self, which: slice) -> tuple[slice, slice]:
        """Rows and columns that hold every head with its hair, with two pixels to spare."""
        low = torch.stack([q.low[which] for q in (self.outline, self.features, self.hair)])
        high = torch.stack([q.high[which] for q in (self.outline, self.features, self.hair)])
        size = (self.grid.y.shape[1], self.grid.x.shape[2])
        sides = []
        for axis, length in ((1, size[0]), (0, size[1])):
            start = int((float(low[..., axis].min()) + 1) * length / 2) - 2
            stop = int((float(high[..., axis].max()) + 1) * length / 2) + 3
            start = min(max(start, 0), length - 8)
            sides.append(slice(start, max(min(stop, length), start + 8)))
        return sides[0], sides[1]

    def picture(self, start: int, stop: int) -> Tensor:
        """The faces from start to stop, (b, 3, H, W), not clipped."""
        which = slice(start, stop)
        grid, box = self.grid, self._box(which)
        inner = grid.part(box)
        n = looks.picked(self.numbers, which)
        at, world = self.frame.faces(which), self.world.faces(which)
        picture = layers.background(grid, n)

        hair_depth, hair_inside = union(self.hair.faces(which), inner)
        behind = cover(hair_inside, grid.pixel).mul_(n["hair_shown"] * n["hair_long"])
        paint(picture[(..., *box)], n["hair"] * 0.5, behind)

        depth, covered = union(self.body.faces(which), grid)
        place = [world.axis(k, grid, depth) for k in range(2)]
        albedo = layers.paint_body(place[0], place[1], n)
        covered = cover(covered, grid.pixel)
        depth.clamp_(min=FAR)

        head_depth, inside, skin = self._head(which, inner, n)
        head_cover = cover(inside, grid.pixel)
        albedo[(..., *box)].lerp_(skin, head_cover[:, None])
        near = torch.lerp(depth[(..., *box)], head_depth.clamp_(min=FAR), head_cover)

        place = [at.axis(k, inner, hair_depth) for k in range(3)]
        colour, cut, strand, above = layers.paint_hair(place[0], place[1], place[2], n)
        # Hair thins out towards its cut edge, or it would stand off the head like a helmet's rim.
        taper = (0.22 - above).clamp_(0, 0.3)
        hair_inside.addcmul_(strand, n["hair_curl"], value=0.02).sub_(taper, alpha=0.5)
        hair_cover = cover(hair_inside, grid.pixel)
        hair_cover.mul_(((hair_depth - near) / 0.03).add_(0.6).clamp_(0, 1)).mul_(cut)
        albedo[(..., *box)].lerp_(colour, hair_cover[:, None])
        # Its depth sets in more gently than its colour: a step would flare up in the shading.
        hair_depth.clamp_(min=FAR).add_(strand, alpha=0.007)
        gentle = taper.sub_(0.12).clamp_(min=0).mul_(-10).add_(1).clamp_(min=0)
        near.lerp_(hair_depth, gentle.mul_(hair_cover))
        self._glasses(start, inner, near, albedo[(..., *box)], n)
        depth[(..., *box)] = near

        gloss = torch.full_like(depth, 0.09)
        gloss[(..., *box)].add_(hair_cover, alpha=0.07)
        bare = (1 - head_cover).mul_(1 - hair_cover)
        covered.neg_().add_(1)
        covered[(..., *box)].mul_(bare)
        lit = shade(albedo, depth, gloss, n)
        picture.lerp_(lit, covered.neg_().add_(1)[:, None])
        return picture.mul_(n["gain"][:, None]).add_(n["lift"][:, None])

    def _head(
        self, which: slice, grid: Grid, n: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Depth, distance to the outline, and painted skin of the head."""
        at = self.frame.faces(which)
        depth, inside = union(self.outline.faces(which), grid)
        index, small, fade = self._window(which, grid)
        shape = (len(depth), *small.shape)
        begun = [field.flatten(1).gather(1, index).view(shape) for field in (depth, inside)]
        near_depth, near_inside = union(
            self.features.faces(which), small, (begun[0].clone(), begun[1].clone())
        )
        near_depth = begun[0].lerp_(near_depth, fade)
        near_inside = begun[1].lerp_(near_inside, fade)
        depth.view(shape[0], -1).scatter_(1, index, near_depth.flatten(1))
        inside.view(shape[0], -1).scatter_(1, index, near_inside.flatten(1))

        skin = n["skin"].repeat(1, 1, *depth.shape[1:])
        marks = sum(n[k] for k in ("beard", "moustache", "stubble", "freckles", "ear_paint"))
        marked = torch.as_tensor(marks).view(-1).nonzero()[:, 0]
        if len(marked):
            some = at.faces(marked)
            place = [some.axis(k, grid, depth[marked]) for k in range(3)]
            skin[marked] = layers.paint_surface(
                skin[marked], place[0], place[1], place[2], looks.picked(n, marked)
            )
        spread = index[:, None].expand(-1, 3, -1)
        flat = skin.flatten(2)
        patch = flat.gather(2, spread).view(shape[0], 3, *small.shape)
        place = [at.axis(k, small, near_depth) for k in range(3)]
        painted = paint_features(patch.clone(), place[0], place[1], place[2], n)
        patch.lerp_(painted, fade[:, None])
        flat.scatter_(2, spread, patch.flatten(2))
        return depth, inside, skin

    def _window(self, which: slice, grid: Grid) -> tuple[Tensor, Grid, Tensor]:
        """Each face's box around the features.

        The boxes share one size, which hangs on the batch. What is drawn in them does not: it fades
        out towards each face's own box.

        Returns:
            Flat pixel numbers (b, h * w), the grid of the boxes, and the fade (b, h, w).
        """
        width, height = grid.x.shape[2], grid.y.shape[1]
        scale = torch.tensor([self.grid.x.shape[2], self.grid.y.shape[1]], device=grid.x.device) / 2
        corner = torch.stack([grid.x[0, 0, 0], grid.y[0, 0, 0]]) + 1
        low = ((self.box_low[which] + 1 - corner) * scale).floor().long()
        high = ((self.box_high[which] + 1 - corner) * scale).ceil().long() + 1
        w, h = (high - low).amax(dim=0).tolist()
        w, h = min(int(w), width), min(int(h), height)
        rows = low[:, 1, None].clamp(0, height - h) + torch.arange(h, device=low.device)
        columns = low[:, 0, None].clamp(0, width - w) + torch.arange(w, device=low.device)
        index = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
        x, y = grid.x[0, 0][columns][:, None], grid.y[0, :, 0][rows][..., None]
        least, most = self.box_low[which, :, None, None], self.box_high[which, :, None, None]
        across = torch.minimum(x - least[:, 0], most[:, 0] - x)
        down = torch.minimum(y - least[:, 1], most[:, 1] - y)
        fade = (across / _FADE).clamp(0, 1) * (down / _FADE).clamp(0, 1)
        return index, Grid(x, y, grid.pixel), fade

    def _glasses(
        self, start: int, grid: Grid, depth: Tensor, albedo: Tensor, n: dict[str, Tensor]
    ) -> None:
        """Put glasses on those who wear them, in place."""
        wearers = n["glasses"].view(-1).nonzero()[:, 0]
        if len(wearers) == 0:
            return
        sheet, inside = cast(self.glasses.faces(start + wearers), 0, grid)
        at = self.frame.faces(start + wearers)
        place = [at.axis(k, grid, sheet) for k in range(3)]
        seen = ((sheet - depth[wearers]) / 0.04).add_(2.5).clamp_(0, 1)
        seen.mul_(cover(inside, grid.pixel))
        albedo[wearers] = layers.paint_glasses(
            albedo[wearers], place[0], place[1], place[2], seen, looks.picked(n, wearers)
        )
