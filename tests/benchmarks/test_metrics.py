import pytest

from benchmarks.metrics import METRICS, metric_info
from benchmarks.schema import UnknownNameError
from benchmarks.specs import load_spec, table_ids


def test_every_metric_of_the_landmark_protocol_is_known():
    for metric in ("nme", "nme_b", "nme_var", "nme_var_b", "nme_certain10", "nme_uncertain10"):
        assert (METRICS[metric].unit, METRICS[metric].better) == ("%", "lower")
    assert METRICS["var_error_spearman"].better == "higher"
    assert METRICS["ause"].better == "lower"


def test_ids_are_the_keys_and_tolerances_make_sense():
    for metric, info in METRICS.items():
        assert info.id == metric
        assert info.description.endswith(".")
        assert max(info.rel_tol, info.abs_tol) > 0, "a gate without tolerance fails on rounding"


def test_costs_are_not_gated():
    assert not any(METRICS[name].gated for name in ("train_seconds", "peak_memory_mib"))


def test_unknown_metric_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown metric 'nme_vr'; did you mean .*nme_var"):
        metric_info("nme_vr")


@pytest.mark.parametrize(
    ("metric", "old", "new", "worse"),
    [("nme", 2.0, 3.0, 1.0), ("nme", 3.0, 2.0, -1.0), ("var_error_spearman", 0.4, 0.1, 0.3)],
)
def test_worse_by_knows_the_direction(metric, old, new, worse):
    assert METRICS[metric].worse_by(old, new) == pytest.approx(worse)


def test_format_never_shows_minus_zero():
    assert METRICS["nme"].format(-0.001) == "0.00"
    assert METRICS["nme"].format(2.345) == "2.35" or METRICS["nme"].format(2.345) == "2.34"
    assert METRICS["train_seconds"].format(61.4) == "61"


def test_every_table_of_the_suite_names_known_metrics():
    for table in table_ids():
        assert load_spec(table).metric_ids() <= METRICS.keys()
