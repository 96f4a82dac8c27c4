"""The metrics of protocol `sequences`, which compares how methods split clips."""

from __future__ import annotations

from typing import Final

from benchmarks.metric_info import Better, MetricInfo, accuracy

_RIGHT: Final = "balanced accuracy"
_TOLD: Final[dict[str, tuple[str, str, bool]]] = {
    # Label: the code it belongs to, how it is measured, and whether it is one of frames.
    "attributes": ("what", f"{_RIGHT} over body, bottomwear, topwear and hair", False),
    "digits": ("what", "share of a clip's digits among the likeliest", False),
    "identity": ("what", f"{_RIGHT}, from other sequences", False),
    "pose": ("where", _RIGHT, True),
    "action": ("where", _RIGHT, True),
    "direction": ("where", _RIGHT, True),
    "positions": ("where", "share of variance (R²) of each digit's place", True),
    "centre": ("where", "share of variance (R²) of the mean of the digits' places", True),
    "valence": ("where", "concordance correlation", True),
    "arousal": ("where", "concordance correlation", True),
}
_CONCORDANT: Final = ("valence", "arousal")


def sequence_metrics() -> list[MetricInfo]:
    """All of them."""
    return [*_bounds(), *_probes(), *_judged(), *_samples(), *_orders()]


def _bounds() -> list[MetricInfo]:
    def nats(metric: str, label: str, better: Better, description: str) -> MetricInfo:
        spent = "kl" in metric
        return MetricInfo(
            metric,
            label,
            "nats",
            better,
            1,
            description,
            abs_tol=0.5,
            gated=not spent,
            judged=not spent,
        )

    return [
        nats(
            "bound_frame",
            "bound / frame",
            "higher",
            "Evidence bound of a clip over its frames: below its log-likelihood.",
        ),
        nats("rec_frame", "rec.", "higher", "Log-likelihood of a frame given its codes."),
        nats("kl_where_frame", "KL where", "lower", "KL divergence of where, a frame."),
        nats("kl_what_frame", "KL what", "lower", "KL divergence of what, over the clip's frames."),
        MetricInfo(
            "bits_dim",
            "bits / dim",
            "",
            "lower",
            4,
            "Minus the bound in bits, over the values of a frame.",
            rel_tol=0.02,
        ),
        MetricInfo(
            "bits_floor",
            "floor",
            "",
            "lower",
            4,
            "Bits per dimension that a Bernoulli of each value's own mean costs; none gets below.",
            gated=False,
        ),
    ]


def _told(
    metric: str, label: str, target: str, better: Better, description: str, gated: bool = True
) -> MetricInfo:
    """What is told of a label: in percent, or a concordance."""
    if target not in _CONCORDANT and gated:
        return accuracy(metric, label, better, description)
    unit, decimals = ("", 3) if target in _CONCORDANT else ("%", 1)
    return MetricInfo(
        metric,
        label,
        unit,
        better,
        decimals,
        description,
        rel_tol=0.0,
        abs_tol=0.05,
        gated=gated,
        leak=better == "lower",
    )


def _probes() -> list[MetricInfo]:
    found = []
    for target, (side, measure, of_frames) in _TOLD.items():
        found.append(
            _told(
                f"probe_chance_{target}",
                f"{target}, chance",
                target,
                "lower",
                f"What a probe without any knowledge would tell of {target}.",
                gated=False,
            )
        )
        for code in ("where", "what"):
            better: Better = "higher" if code == side else "lower"
            found.append(
                _told(
                    f"probe_{code}_{target}",
                    f"{target} in {code}",
                    target,
                    better,
                    f"What a linear probe on the {code} code tells of {target}, {measure}.",
                )
            )
            if of_frames:
                found.append(
                    _told(
                        f"near_{code}_{target}",
                        f"{target} near in {code}",
                        target,
                        better,
                        f"The same by the five nearest frames in the {code} code.",
                    )
                )
    return found


def _judged() -> list[MetricInfo]:
    kinds = {
        "judge": "real frames of new characters",
        "rebuilt": "frames painted from their own codes",
        "swap": "frames painted of one clip's what and another's where",
    }
    seen = {
        "what": "attributes or digits, of the clip that what is of, that the judge sees in {}",
        "where": "{} in which the judge sees the pose, or the digits' centre within 4 px of 64, "
        "of the frame that where is of",
        "both": "{} in which the judge sees all of that",
    }
    found = [
        accuracy(f"{kind}_{side}", f"{kind} {side}", "higher", _sentence(words.format(frames)))
        for kind, frames in kinds.items()
        for side, words in seen.items()
    ]
    found += [
        _told(
            f"{kind}_{name}",
            f"{kind} {name}",
            name,
            "higher",
            f"Concordance of the {name} that the judge sees in {frames} with that of the frame "
            "that where is of.",
        )
        for kind, frames in kinds.items()
        for name in _CONCORDANT
    ]
    chance = {
        "what": "How many attributes or digits two clips have in common.",
        "where": "How often the pose or the centre of one frame fits another one.",
    }
    return found + [
        _told(f"swap_chance_{side}", f"{side}, chance", "", "lower", words, gated=False)
        for side, words in chance.items()
    ]


def _samples() -> list[MetricInfo]:
    return [
        MetricInfo(
            "sample_diversity",
            "diversity",
            "%",
            "higher",
            1,
            "Poses that the judge sees in frames whose where is drawn for a given what (or how far "
            "they spread), against as many real frames of a clip; 100 is as in life.",
            gated=False,
            judged=False,
        ),
        accuracy(
            "sample_what",
            "drawn what",
            "higher",
            "Attributes or digits of the given what that the judge sees in these frames.",
        ),
        accuracy(
            "grid_agreement",
            "grid, raw",
            "higher",
            "Pairs of persons in whom the judge sees the same pose at one point of where (or the "
            "variance between points in percent of all, or of that of real frames).",
        ),
        accuracy(
            "grid_kappa",
            "grid",
            "higher",
            "That beyond chance, over what could be (Fleiss' kappa, of poses).",
        ),
        _told(
            "grid_chance",
            "grid, chance",
            "",
            "lower",
            "The same of any two points.",
            gated=False,
        ),
    ]


def _orders() -> list[MetricInfo]:
    words = "in percent of the distance of two clips' (root mean square)."
    return [
        accuracy(
            "order_change",
            "order",
            "lower",
            f"How far what moves when the frames are permuted, {words}",
        ),
        MetricInfo(
            "order_other",
            "other clip",
            "%",
            "higher",
            1,
            f"How far what is from that of another clip, {words}",
            gated=False,
            abs_tol=3.0,
        ),
    ]


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
