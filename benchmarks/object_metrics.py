"""The metrics of protocol `objects`, which asks what particles know of a scene's objects."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.metric_info import Better, MetricInfo, accuracy

_KEPT = "of the particles kept by variance"


def object_metrics() -> list[MetricInfo]:
    """All of them."""
    return [*_fidelity(), *_points(), *_certainty(), *_boxes()]


def _fidelity() -> list[MetricInfo]:
    return [
        MetricInfo(
            "psnr",
            "PSNR",
            "dB",
            "higher",
            2,
            "Peak signal-to-noise ratio of the mean squared error over all test pictures.",
            rel_tol=0.0,
            abs_tol=0.3,
        ),
        MetricInfo(
            "ssim",
            "SSIM",
            "",
            "higher",
            3,
            "Structural similarity of reconstruction and picture (Wang et al. 2004).",
            rel_tol=0.0,
            abs_tol=0.01,
        ),
        # It is there on machines with VGG16's weights alone, so no gate may miss it.
        MetricInfo(
            "lpips",
            "LPIPS",
            "",
            "lower",
            3,
            "Perceptual distance of reconstruction and picture (Zhang et al. 2018, VGG16).",
            gated=False,
        ),
    ]


def _points() -> list[MetricInfo]:
    def share(metric: str, label: str, description: str) -> MetricInfo:
        return accuracy(metric, label, "higher", description)

    apart = "at most a tenth of the picture's side apart, one by one"
    return [
        share("obj_recall", "recall", f"Objects paired with a particle, {apart}."),
        share("obj_recall_var", "recall var", f"Objects paired with one {_KEPT}, {apart}."),
        share("obj_precision", "precision", f"Particles paired with an object, {apart}."),
        share("obj_precision_var", "precision var", f"The same {_KEPT}."),
        share("obj_on", "on objects", "Particles that lie in the box of an object."),
        share("obj_on_var", "on objects var", f"The same {_KEPT}."),
        MetricInfo(
            "obj_error",
            "loc. error",
            "%",
            "lower",
            2,
            "Distance of paired particles and objects' centres, over the picture's side.",
            rel_tol=0.05,
            abs_tol=0.1,
        ),
        MetricInfo(
            "obj_particles",
            "per object",
            "",
            "lower",
            2,
            "Particles that lie in an object's box, mean over objects; 1 were enough.",
            gated=False,
            judged=False,
        ),
    ]


def _certainty() -> list[MetricInfo]:
    def auc(metric: str, label: str, what: str) -> MetricInfo:
        found = accuracy(
            metric,
            label,
            "higher",
            f"Area under the ROC curve of {what}, for particles on objects against others; 50 % "
            "by chance.",
        )
        return replace(found, abs_tol=2.0)

    either: Better = "lower"
    return [
        auc("obj_presence_auc", "presence AUC", "the presence (minus the variance without one)"),
        auc("obj_variance_auc", "variance AUC", "minus the log-variance"),
        MetricInfo(
            "obj_variance_rho",
            "rho(var, dist)",
            "",
            "higher",
            3,
            "Spearman's rank correlation of a particle's variance and its distance to the nearest "
            "object.",
            rel_tol=0.0,
            abs_tol=0.05,
        ),
        MetricInfo(
            "val_log_variance",
            "log var",
            "",
            either,
            2,
            "Mean log-variance of positions over the validation split; asks no label.",
            gated=False,
            judged=False,
        ),
    ]


def _boxes() -> list[MetricInfo]:
    return [
        accuracy(
            f"obj_ap{percent}",
            f"AP{percent}",
            "higher",
            "Average precision of particles' boxes, kept by variance and by non-maximum "
            f"suppression, at an overlap of {percent / 100:g}.",
        )
        for percent in (25, 50)
    ]
