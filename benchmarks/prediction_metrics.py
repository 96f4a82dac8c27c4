"""The metrics of protocol `video_prediction`: where things are some frames on, and how it looks."""

from __future__ import annotations

from typing import Final

from benchmarks.metric_info import Better, MetricInfo, accuracy

HORIZONS: Final = (1, 5, 10, 20, 24, 50)
"""Frames after the last one given."""

_OBJECTS: Final = "of an object's particle to its true centre"
_LINE: Final = "of the object's own straight line, from its true centres, to its true centre"


def prediction_metrics() -> list[MetricInfo]:
    """All of them."""
    found = []
    for h in HORIZONS:
        found += [
            _distance(f"pos_h{h}", f"pos. {h}", f"Distance {_OBJECTS}, {h} frames on."),
            _distance(
                f"enc_h{h}",
                f"enc. {h}",
                f"Distance of a particle to itself as encoded from the true frame, {h} frames on.",
            ),
            _distance(f"line_h{h}", f"line {h}", f"Distance {_LINE}, {h} frames on.", judged=False),
            _picture(f"psnr_h{h}", f"PSNR {h}", "dB", 2, f"Of the picture, {h} frames on.", 0.2),
            _picture(f"ssim_h{h}", f"SSIM {h}", "", 3, f"Of the picture, {h} frames on.", 0.01),
        ]
    before = "objects that have hit nothing yet, all frames up to 24"
    after = "objects that hit another since the last frame given, all frames from then on, up to 24"
    return [
        *found,
        _distance("pos_before", "before", f"Distance {_OBJECTS}; {before}."),
        _distance("pos_after", "after", f"Distance {_OBJECTS}; {after}."),
        _distance("line_before", "line before", f"Distance {_LINE}; {before}.", judged=False),
        _distance("line_after", "line after", f"Distance {_LINE}; {after}.", judged=False),
        accuracy(
            "objects_matched",
            "matched",
            "higher",
            "Objects in view that a particle is near to one frame on: only these have errors.",
        ),
        accuracy(
            "finite_rollouts", "finite", "higher", "Rollouts of 50 frames without inf or NaN."
        ),
    ]


def _distance(metric: str, label: str, description: str, *, judged: bool = True) -> MetricInfo:
    return MetricInfo(
        metric,
        label,
        "%",
        "lower",
        2,
        f"{description} In % of the picture's side.",
        0.05,
        0.2,
        gated=judged,
        judged=judged,
    )


def _picture(
    metric: str, label: str, unit: str, decimals: int, description: str, tolerance: float
) -> MetricInfo:
    better: Better = "higher"
    return MetricInfo(metric, label, unit, better, decimals, description, 0.0, tolerance)
