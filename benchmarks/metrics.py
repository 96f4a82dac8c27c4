"""Every metric the suite knows: name, unit, direction, decimals and practical tolerance.

The one place for them. Tables take label, unit and decimals from here, the gate direction and
tolerance, W&B's dashboard label and direction; protocols and specs only name ids.
"""

from __future__ import annotations

from typing import Final

from benchmarks.metric_info import Better, MetricInfo, accuracy
from benchmarks.object_metrics import object_metrics
from benchmarks.prediction_metrics import prediction_metrics
from benchmarks.schema import pick
from benchmarks.sequence_metrics import sequence_metrics

__all__ = ["LEAKS", "METRICS", "Better", "MetricInfo", "metric_info"]

LEAKS: Final = ("identity", "expression", "view", "illumination")
"""Labels that the protocol `leakage` asks both codes for."""


def _error(metric_id: str, label: str, inputs: str) -> MetricInfo:
    return MetricInfo(
        metric_id,
        label,
        "%",
        "lower",
        2,
        f"Landmark error over the distance of the eyes; linear regression from {inputs}.",
    )


def _sse(metric_id: str, label: str, pictures: str) -> MetricInfo:
    return MetricInfo(
        metric_id,
        label,
        "",
        "lower",
        2,
        f"Squared error summed over a picture on [0, 1], mean over {pictures}.",
    )


def _view(metric_id: str, label: str, better: Better, description: str) -> MetricInfo:
    return MetricInfo(metric_id, label, "", better, 2, description, rel_tol=0.1, abs_tol=0.05)


def _expressions() -> list[MetricInfo]:
    """Of the protocol `expression`: codes that should tell the expression, and the one that not."""
    said = {6: "six expressions", 7: "six expressions and neutral"}
    words = {"field": "the field", "where": "the where code", "what": "the what code (a leak)"}
    found = []
    for classes, ending, among in (
        (6, "", ""),
        (6, "_moved", ""),
        (7, "_moved", ""),
        (6, "_moved_new", ", all among persons of split test"),
    ):
        for name, code in words.items():
            better: Better = "lower" if name == "what" else "higher"
            less = ", less its mean over the clip," if ending else ""
            found.append(
                accuracy(
                    f"acc{classes}_{name}{ending}",
                    f"{name} {classes}{ending.replace('_', ' ')}",
                    better,
                    f"Clips whose expression an LSTM on {code}{less} tells, of {said[classes]}; "
                    f"other persons than it was fitted on{among}.",
                )
            )
    return found


def _leaks() -> list[MetricInfo]:
    """Of the protocol `leakage`: a label by linear probes on both codes."""
    found = []
    for target in LEAKS:
        kind = "share of variance (R²)" if target == "view" else "balanced accuracy"
        chance = "0 %" if target == "view" else "100 % over the number of classes"
        found.append(
            MetricInfo(
                f"leak_chance_{target}",
                f"{target}, chance",
                "%",
                "lower",
                1,
                f"What a probe without any knowledge would tell of {target}: {chance}.",
                gated=False,
            )
        )
        for name in ("where", "what"):
            belongs = (name == "what") == (target in ("identity", "illumination"))
            found.append(
                accuracy(
                    f"leak_{name}_{target}",
                    f"{target} in {name}",
                    "higher" if belongs else "lower",
                    f"What a linear probe on the {name} code tells of {target}, {kind}.",
                )
            )
    return found


def _cost(metric_id: str, label: str, unit: str, description: str) -> MetricInfo:
    return MetricInfo(metric_id, label, unit, "lower", 0, description, rel_tol=0.25, gated=False)


METRICS: Final[dict[str, MetricInfo]] = {
    info.id: info
    for info in (
        # Protocol `landmarks`.
        _error("nme", "NME", "positions, no intercept (the papers' headline)"),
        _error("nme_b", "NME +b", "positions, with intercept"),
        _error("nme_var", "NME var", "positions and log-variances, no intercept"),
        _error("nme_var_b", "NME var +b", "positions and log-variances, with intercept"),
        _error("nme_certain10", "NME certain 10", "positions of the 10 most certain particles"),
        _error("nme_uncertain10", "NME unsure 10", "positions of the 10 least certain particles"),
        MetricInfo(
            "var_error_spearman",
            "rho(var, err)",
            "",
            "higher",
            3,
            "Spearman's rank correlation of a picture's mean log-variance and its error.",
            rel_tol=0.0,
            abs_tol=0.05,
        ),
        MetricInfo(
            "ause",
            "AUSE",
            "",
            "lower",
            3,
            "Area between the sparsification curves by variance and by error; 0 is the oracle.",
            rel_tol=0.05,
            abs_tol=0.02,
        ),
        # Protocol `wild`; it has those of `landmarks` too.
        _error("nme_v0", "NME v0", "positions, no intercept, to landmarks as AutoLink released"),
        _error("nme_v0_b", "NME v0 +b", "positions, with intercept, to landmarks as released"),
        # Protocol `field`; it has nme and nme_b too.
        MetricInfo(
            "nme_mlp",
            "NME MLP",
            "%",
            "lower",
            2,
            "Landmark error over the distance of the eyes; a small network on the dense field.",
        ),
        # Protocol `virtual_keypoints`, for methods of `field` that have vectors.
        MetricInfo(
            "nme_virtual",
            "NME virtual",
            "%",
            "lower",
            2,
            "Landmark error over the distance of the eyes; virtual keypoints in dense vectors.",
        ),
        # Protocol `reconstruction`.
        _sse("msre", "MSRE", "the five views, each as much as another; without views, over all"),
        _sse("msre_m30", "-30°", "pictures turned by -30 degrees"),
        _sse("msre_m15", "-15°", "pictures turned by -15 degrees"),
        _sse("msre_0", "0°", "frontal pictures"),
        _sse("msre_p15", "+15°", "pictures turned by 15 degrees"),
        _sse("msre_p30", "+30°", "pictures turned by 30 degrees"),
        MetricInfo(
            "msre_turned_ratio",
            "30° / 0°",
            "",
            "lower",
            2,
            "Mean of the two outer views' errors over that of the frontal view.",
            rel_tol=0.05,
        ),
        MetricInfo(
            "msre_chain_sd",
            "chain sd",
            "",
            "lower",
            2,
            "Standard deviation of MSRE over tries of a random inference, weights held fixed.",
            rel_tol=0.5,
            gated=False,
        ),
        # Protocol `views`.
        _view("view_where_max", "max R where", "higher", "Largest R_i of the where code (eq. 21)."),
        _view("view_what_max", "max R what", "lower", "Largest R_i of the what code (eq. 21)."),
        _view("view_ratio", "R where / what", "higher", "Ratio of the two largest R_i."),
        _view("view_where_r2", "R² where", "higher", "Share of the view's variance told by where."),
        _view("view_what_r2", "R² what", "lower", "Share of the view's variance told by what."),
        *_expressions(),
        # Protocol `resampling`.
        accuracy(
            "judge_acc",
            "judge, real",
            "higher",
            "Real clips of new persons whose expression the judge tells: the others' ceiling.",
        ),
        accuracy(
            "rebuilt_acc",
            "rebuilt",
            "higher",
            "The same of these clips as the method paints them from their own codes.",
        ),
        accuracy(
            "resampled_what_acc",
            "what drawn",
            "higher",
            "The same with what drawn from the prior and where kept: the expression should stay.",
        ),
        accuracy(
            "resampled_where_acc",
            "where drawn",
            "lower",
            "The same with where drawn from the prior and what kept: the expression should go.",
        ),
        *_leaks(),
        *sequence_metrics(),
        *object_metrics(),
        *prediction_metrics(),
        # Costs of any cell.
        _cost("train_seconds", "train", "s", "Time spent in training, all attempts together."),
        _cost("wall_seconds", "wall", "s", "Time a cell took, all attempts together."),
        _cost("peak_memory_mib", "memory", "MiB", "The most memory the process held."),
    )
}


def metric_info(metric_id: str) -> MetricInfo:
    """The metric of this id.

    Raises:
        UnknownNameError: there is none; names the nearest ones.
    """
    return pick("metric", metric_id, METRICS)
