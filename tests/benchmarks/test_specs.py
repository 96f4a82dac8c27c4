import copy

import pytest
import torch
import yaml

from benchmarks.build import build_method, settle
from benchmarks.schema import CellSpec, UnknownNameError
from benchmarks.specs import (
    SpecError,
    check_ids,
    load_spec,
    parse_rows,
    parse_seeds,
    resolve_cell,
    runnable_rows,
    table_ids,
)
from tests.benchmarks.tiny import SPEC

CHOICE = {"seed": 0, "budget": "quick", "source": "standin", "data_fingerprint": "f" * 16}


def broken(tmp_path, change):
    """Load the tiny spec after a change."""
    content = yaml.safe_load(SPEC)
    change(content)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_spec(path)


def test_every_table_of_the_suite_loads_and_resolves():
    for table in table_ids():
        spec = load_spec(table)
        assert spec.table == table
        for budget in spec.budgets:
            for row in runnable_rows(spec):
                resolve_cell(spec, row, **(CHOICE | {"budget": budget}))


@pytest.mark.parametrize("table", table_ids())
def test_every_row_can_be_built_at_every_budget(table):
    """Also those of budget ``full``, which no test runs: sizes that do not fit are found here."""
    spec = load_spec(table)
    for budget in spec.budgets:
        for row in runnable_rows(spec):
            cell = resolve_cell(spec, row, **(CHOICE | {"budget": budget}))
            with torch.device("meta"):  # shapes without numbers
                build_method(settle(cell))


def test_mafl_holds_the_papers_numbers_and_claims():
    spec = load_spec("mafl")
    published = {
        (row.id, metric): number.value
        for row in spec.rows
        for metric, number in row.published.items()
    }
    assert published == {
        ("dlp-k25", "nme"): 2.87,
        ("dlp-k30", "nme"): 2.56,
        ("dlp-k50", "nme"): 2.43,
        ("dlp-k25", "nme_var_b"): 2.52,
        ("dlp-k30", "nme_var_b"): 2.49,
        ("dlp-k50", "nme_var_b"): 2.42,
        ("autolink-k10", "nme"): 3.54,
        ("keynet-k30", "nme"): 2.58,
        ("keynet-k50", "nme"): 2.54,
        ("zhang-k30", "nme"): 3.16,
    }
    # The papers' claims hold for the papers' own numbers.
    for claim in spec.claims:
        if claim.origin == "paper":
            left = published[claim.left.row, claim.left.metric]
            right = published[claim.right.row, claim.right.metric]
            assert left < claim.factor * right, claim.id
    assert {claim.origin for claim in spec.claims} == {"paper", "suite"}


def test_merge_row_over_budget_and_the_size_of_pictures():
    spec = load_spec("mafl")
    spec = spec.model_copy(
        update={
            "budgets": {
                "quick": spec.budgets["quick"].model_copy(
                    update={"methods": {"dlp": {"n_keypoints": 7, "width": 3}}}
                )
            }
        }
    )
    cell = resolve_cell(spec, "dlp-k30", **CHOICE)
    assert cell.args == {"image_size": 64, "n_keypoints": 30, "width": 3}
    # Only the row's own epochs count for PCA, and none where nothing is trained.
    assert resolve_cell(spec, "pca-60", **CHOICE).trainer["max_epochs"] == 1
    assert resolve_cell(spec, "mean-shape", **CHOICE).trainer == {}


def test_id_changes_with_everything_on_the_allow_list_and_with_nothing_else():
    cell = resolve_cell(load_spec("mafl"), "dlp-k30", **CHOICE)
    assert cell.cell_id == resolve_cell(load_spec("mafl"), "dlp-k30", **CHOICE).cell_id
    other: dict[str, object] = {
        "table": "other",
        "row": "other",
        "method": "other",
        "args": cell.args | {"n_keypoints": 31},
        "fit": False,
        "train_on": "other",
        "dataset": "other",
        "data": cell.data | {"batch_size": 33},
        "trainer": cell.trainer | {"max_epochs": 99},
        "pretrain": {"dataset": "other", "data": {}, "trainer": {"max_epochs": 1}},
        "base": {"method": "other"},
        "seed": 1,
        "budget": "full",
        "source": "real",
        "protocol": "other",
        "protocol_version": 2,
        "data_fingerprint": "0" * 16,
    }
    ids = {cell.model_copy(update={field: value}).cell_id for field, value in other.items()}
    assert len(ids | {cell.cell_id}) == len(other) + 1
    assert cell.model_copy(update={"timeout_minutes": 1.0}).cell_id == cell.cell_id
    # A new field of CellSpec must be put on one side or the other.
    assert set(CellSpec.model_fields) == {*other, "timeout_minutes", "base_cell"}
    # Cells without them were measured before there were pretrainings, splits of a row's own, and
    # rows that start from another.
    assert set(cell.config()) == {*other} - {"pretrain", "train_on", "base"}
    assert cell.datasets == [("celeba", cell.data)]
    first = cell.model_copy(update={"pretrain": other["pretrain"]})
    assert first.datasets[1] == ("other", {}) and "pretrain" in first.config()


def test_a_row_may_name_the_split_it_learns_from_if_there_is_one():
    spec = load_spec("mug")
    assert resolve_cell(spec, "deformable-inductive", **CHOICE).config()["train_on"] == "train"
    row = spec.row("deformable").model_copy(update={"train_on": "trian"})
    with pytest.raises(ValueError, match=r"row 'deformable': unknown split 'trian'; .* train"):
        check_ids(spec.model_copy(update={"rows": [row]}))


@pytest.mark.parametrize("key", ["root", "cache_dir", "num_workers"])
def test_paths_and_workers_cannot_enter_a_spec(tmp_path, key):
    with pytest.raises(SpecError, match=rf"broken\.yaml: budgets\.smoke\.data: '{key}'"):
        broken(tmp_path, lambda c: c["budgets"]["smoke"]["data"].update({key: "x"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["rows"][0].update(metod="x"), r"rows\.0\.metod: Extra inputs"),
        (lambda c: c["rows"].append(c["rows"][0]), "row 'good' stands twice"),
        (lambda c: c["claims"][0]["left"].update(row="goood"), "did you mean good"),
        (lambda c: c["claims"][0]["right"].update(metric="ause"), "units: .* and ause"),
        (lambda c: c["claims"][0]["left"].update(row="paper"), "never run here"),
        (lambda c: c["claims"][0]["right"].update(published=True), "publishes no 'nme'"),
        (lambda c: c["columns"].append("nmee"), "unknown metric 'nmee'; did you mean nme"),
        (lambda c: c["budgets"]["smoke"]["trainer"].update(max_epoch=3), r"max_epoch: Extra"),
        (lambda c: c["rows"].append({"id": "x", "label": "X"}), "neither a method nor published"),
        (lambda c: c["budgets"]["smoke"].update(seeds=[1, 1]), "a seed stands twice"),
        (lambda c: c.update(table="../up"), "table: String should match"),
    ],
)
def test_errors_name_the_file_and_the_field(tmp_path, change, message):
    with pytest.raises(SpecError, match=rf"(?s)broken\.yaml: .*{message}"):
        broken(tmp_path, change)


def test_training_without_epochs_is_an_error(tmp_path):
    spec = broken(tmp_path, lambda c: c["budgets"]["smoke"]["trainer"].clear())
    with pytest.raises(SpecError, match=r"row 'good': no `trainer\.max_epochs`"):
        resolve_cell(spec, "good", **(CHOICE | {"budget": "smoke"}))


def test_yaml_reads_numbers_as_people_do_merges_and_refuses_a_key_twice(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    assert load_spec(path).budgets["smoke"].methods["tiny"]["lr"] == 0.01
    path.write_text(SPEC + "table: again\n")
    with pytest.raises(SpecError, match="key 'table' stands twice"):
        load_spec(path)
    methods = "methods: {tiny: {lr: 1e-2}}"
    assert methods in SPEC
    merged = "methods: {tiny: &tiny {lr: 1e-2, width: 2}, mean: {<<: *tiny, lr: 3}}"
    path.write_text(SPEC.replace(methods, merged))
    assert load_spec(path).budgets["smoke"].methods["mean"] == {"lr": 3, "width": 2}
    path.write_text("table: [")
    with pytest.raises(SpecError, match=r"spec\.yaml: not valid YAML"):
        load_spec(path)


def test_unknown_names_lead_to_known_ones():
    spec = load_spec("mafl")
    with pytest.raises(UnknownNameError, match="unknown table 'mafle'; did you mean mafl"):
        load_spec("mafle")
    with pytest.raises(UnknownNameError, match="unknown row 'dlp-k35'; did you mean dlp-k"):
        runnable_rows(spec, ["dlp-k35"])
    with pytest.raises(UnknownNameError, match="unknown budget 'quik'; did you mean quick"):
        resolve_cell(spec, "dlp-k30", **(CHOICE | {"budget": "quik"}))
    with pytest.raises(SpecError, match="published numbers only"):
        resolve_cell(load_spec("mafl-field"), "mtcnn", **CHOICE)
    with pytest.raises(SpecError, match=r"nowhere\.yaml: no such file"):
        load_spec("nowhere.yaml")


def test_seeds_and_rows():
    assert parse_seeds("3") == [0, 1, 2]
    assert parse_seeds("0, 4") == [0, 4]
    assert parse_seeds("7,") == [7]
    assert parse_seeds("") is None
    for wrong in ("three", "1,x", "-1", "0", "1,1", "1.5", "99999999999", "1234567890", ",", "0x3"):
        with pytest.raises(ValueError, match="seeds"):
            parse_seeds(wrong)
    assert parse_rows(" a, b,") == ["a", "b"]
    assert parse_rows("") is None


def test_rows_keep_the_tables_order():
    spec = load_spec("mafl-field")
    assert runnable_rows(spec, ["zero-field", "deformable", "mtcnn"]) == [
        "deformable",
        "zero-field",
    ]
    assert copy.deepcopy(spec) == spec


def test_a_budget_trains_each_method_as_long_as_it_says():
    spec = load_spec("sprites")

    def epochs(row, budget):
        return resolve_cell(spec, row, **(CHOICE | {"budget": budget})).trainer["max_epochs"]

    # 43,000 iterations of seven an epoch (Helminger et al. 2018, appendix A).
    assert abs(7 * epochs("ddr", "full") - 43_000) < 7
    assert epochs("sequential-vae", "full") == epochs("ddr", "full")
    assert epochs("sequential-vae", "quick") < epochs("ddr", "quick")
    # What a row says counts more.
    assert epochs("mean-frame", "full") == epochs("pca-60", "full") == 1


def test_a_method_that_is_to_be_trained_longer_has_to_be_known():
    spec = load_spec("sprites")
    check_ids(spec)
    smoke = spec.budget("smoke")
    mistyped = smoke.model_copy(update={"trainers": {"dlq": smoke.trainer}})
    with pytest.raises(ValueError, match="budget 'smoke': unknown method 'dlq'; did you mean dlp"):
        check_ids(spec.model_copy(update={"budgets": {"smoke": mistyped}}))
