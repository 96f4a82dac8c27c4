"""A small table and cells that were never run, for tables, claims and gate."""

from benchmarks.schema import CellResult, Spec
from benchmarks.specs import resolve_cell

SPEC = {
    "table": "made",
    "title": "Made-up errors",
    "dataset": "celeba",
    "protocol": {"id": "landmarks", "version": 1},
    "columns": ["nme", "nme_b", "nme_var_b"],
    "budgets": {
        name: {"data": {"image_size": 32}, "trainer": {"max_epochs": 1}}
        for name in ("smoke", "quick", "full")
    },
    "rows": [
        {
            "id": "good",
            "label": "Good, K=30",
            "method": "dlp",
            "args": {"n_keypoints": 30},
            "published": {
                "nme": {"value": 2.5, "source": "Paper A", "protocol": "best epoch"},
                "nme_var_b": {"value": 2.25, "source": "Paper A"},
            },
        },
        {"id": "plain", "label": "Plain", "method": "dlp"},
        {
            "id": "elsewhere",
            "label": "Elsewhere",
            "published": {"nme": {"value": 3.0, "source": "Paper B"}},
        },
        {"id": "mean", "label": "Mean shape", "method": "fixed_points", "fit": False},
    ],
}
FINGERPRINT = "0123456789abcdef"


def make_spec(**changes) -> Spec:
    return Spec.model_validate(SPEC | changes)


def claim(left, right, **changes):
    """A claim between ``("row", "metric")`` and the same or ``("row", "metric", "published")``."""
    sides = {
        name: {"row": side[0], "metric": side[1], "published": len(side) > 2}
        for name, side in (("left", left), ("right", right))
    }
    return {"id": "c", "text": "One beats the other", "source": "Paper A", **sides, **changes}


def make_cell(
    spec,
    row,
    seed=0,
    metrics=None,
    *,
    status="ok",
    reason=None,
    intervals=None,
    budget="quick",
    source="standin",
    fingerprint=FINGERPRINT,
    **changes,
) -> CellResult:
    """A cell; ``intervals`` as a half-width for all metrics, or by metric."""
    metrics = metrics or {}
    if isinstance(intervals, float):
        intervals = {
            name: (value - intervals, value + intervals) for name, value in metrics.items()
        }
    planned = resolve_cell(
        spec, row, seed=seed, budget=budget, source=source, data_fingerprint=fingerprint
    )
    measured = {
        "data_counts": {"unsupervised": 6000, "test": 500},
        "commit": "abcdef0123456789",
        "dirty": False,
        "versions": {"torch": "2.9"},
        "device": "cpu",
        "started": "2025-01-01T00:00:00+00:00",
        "wall_seconds": 60.0,
        "train_seconds": 50.0,
        "peak_memory_mib": 900.0,
    }
    return planned.result(
        status, reason, metrics=metrics, intervals=intervals or {}, **(measured | changes)
    )


def make_row(spec, row, values, metric="nme", **changes):
    """Cells of seeds 0, 1, ... with these values; a dict gives the seeds."""
    seeded = values if isinstance(values, dict) else dict(enumerate(values))
    return [
        make_cell(spec, row, seed, {metric: value}, **changes) for seed, value in seeded.items()
    ]
