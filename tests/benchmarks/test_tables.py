import csv
import io
import json
import math
import re
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.documents import escape_latex, escape_markdown
from benchmarks.findings import TRIVIAL_METHODS, decompose, is_control, upsets
from benchmarks.schema import UnknownNameError
from benchmarks.specs import load_spec
from benchmarks.summaries import MixedCellsError, split
from benchmarks.table_data import build_table
from benchmarks.tables import render, write_tables
from tests.benchmarks.made_cells import claim, make_cell, make_row, make_spec

GOLDENS = Path(__file__).parent / "goldens"
HOSTILE = "a|b_c* [x](y) <b>&amp; #1 $5% \\end{tabular} ~^{}`\n@all\x1b[2J 日"


def golden_spec():
    return make_spec(
        note="A note.",
        claims=[
            claim(("good", "nme"), ("plain", "nme"), id="failed"),
            claim(("good", "nme"), ("elsewhere", "nme", "published"), id="published"),
            claim(("good", "nme"), ("mean", "nme"), id="half", factor=0.6, origin="suite"),
            claim(("good", "nme_var_b"), ("good", "nme"), id="more", origin="suite"),
        ],
    )


def golden_cells(spec):
    good = [
        make_cell(
            spec,
            "good",
            seed,
            {"nme": nme, "nme_b": nme - 0.25, "nme_var_b": nme - 0.75, "ause": 0.125},
            intervals=0.5,
        )
        for seed, nme in enumerate((5.0, 5.5))
    ]
    return [
        *good,
        make_cell(spec, "mean", 0, {"nme": 9.0, "nme_b": 4.75}, intervals=0.25),
        make_cell(spec, "plain", 0, status="failed", reason="loss is nan_ <at> step|3 & 5 %"),
    ]


@pytest.mark.parametrize("fmt", ["md", "tex", "csv"])
def test_golden(fmt):
    spec = golden_spec()
    expected = (GOLDENS / f"made-quick-standin.{fmt}").read_text(encoding="utf-8")
    assert render(spec, golden_cells(spec), fmt) == expected


def test_files_are_named_after_the_group_and_replaced_whole(tmp_path):
    spec = golden_spec()
    paths = write_tables(spec, golden_cells(spec), tmp_path / "new" / "folder")
    assert {fmt: path.name for fmt, path in paths.items()} == {
        fmt: f"made-quick-standin.{fmt}" for fmt in ("md", "tex", "csv", "json")
    }
    write_tables(spec, golden_cells(spec)[:1], paths["md"].parent)
    assert "failed" not in paths["md"].read_text(encoding="utf-8").split("\n\n")[2]
    assert sorted(item.name for item in paths["md"].parent.iterdir()) == sorted(
        path.name for path in paths.values()
    )


def test_real_and_standin_never_share_a_table(tmp_path):
    spec = golden_spec()
    mixed = [*golden_cells(spec), *make_row(spec, "plain", [5.0], source="real")]
    with pytest.raises(MixedCellsError, match=r"differ in source \(real, standin\).*one table of"):
        write_tables(spec, mixed, tmp_path)
    assert not list(tmp_path.iterdir())
    parted = split(mixed)
    assert [group.source for group in parted] == ["standin", "real"]
    assert "real data, budget quick" in render(spec, list(parted.values())[1], "md")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("budget", {"budget": "full"}),
        ("data_fingerprint", {"data_fingerprint": "f" * 16}),
        ("protocol_version", {"protocol_version": 2}),
    ],
)
def test_what_does_not_compare_is_named(name, changed):
    spec = make_spec()
    first, second = make_row(spec, "good", [5.0, 5.1])
    with pytest.raises(MixedCellsError, match=rf"differ in {name} \("):
        render(spec, [first, second.model_copy(update=changed)], "md")


def test_refusals():
    spec = make_spec()
    cells = make_row(spec, "good", [5.0])
    with pytest.raises(MixedCellsError, match="no cells"):
        render(spec, [], "md")
    with pytest.raises(MixedCellsError, match="two cells of seed 0"):
        render(spec, cells * 2, "md")
    with pytest.raises(ValueError, match="unknown format 'html'; known: md, tex, csv, json"):
        render(spec, cells, "html")
    with pytest.raises(ValueError, match="cells of table 'other', not of 'made'"):
        render(spec, [cells[0].model_copy(update={"table": "other"})], "md")
    with pytest.raises(UnknownNameError, match="unknown row 'god'; did you mean good"):
        render(spec, [cells[0].model_copy(update={"row": "god"})], "md")
    other = make_row(spec, "good", {1: 5.0})[0]
    config = other.config | {"args": other.config["args"] | {"n_keypoints": 50}}
    with pytest.raises(MixedCellsError, match=r"differ in args.n_keypoints 30 -> 50"):
        render(spec, [*cells, other.model_copy(update={"config": config})], "md")


def test_survivors_are_not_the_best():
    spec = make_spec()
    cells = [
        *make_row(spec, "good", [5.0, 5.2]),
        *make_row(spec, "plain", [4.0]),
        make_cell(spec, "plain", 1, status="timeout", reason="took 60 minutes"),
    ]
    table = render(spec, cells, "md")
    assert "**5.10** ± 0.14" in table
    assert re.search(r"\| Plain +\| +4\.00 \[\d\]", table)
    assert "seed 1 timeout: took 60 minutes" in table


def test_higher_is_better_where_it_is():
    spec = make_spec(columns=["var_error_spearman"])
    cells = make_row(spec, "good", [-0.1], "var_error_spearman")
    cells += make_row(spec, "plain", [0.25], "var_error_spearman")
    table = render(spec, cells, "md")
    assert "rho(var, err) ↑" in table
    assert "**0.250**" in table
    assert "**-0.100**" not in table


def test_costs_may_be_columns():
    spec = make_spec(columns=["nme", "train_seconds", "peak_memory_mib"])
    line = render(spec, make_row(spec, "good", [5.0]), "md").split("| Good")[1].split("\n")[0]
    assert [part.strip() for part in line.split("|")[1:5]] == [
        "**5.00**",
        "2.50 [1]",
        "**50**",
        "**900**",
    ]


def test_not_run_and_partly_run_rows_say_so():
    spec = make_spec()
    table = render(spec, make_row(spec, "good", [5.0, 5.1]) + make_row(spec, "mean", [9.0]), "md")
    assert re.search(r"\| Plain +\| +not run \|", table)
    assert "seed 0 only" in table
    assert "2 seeds (0, 1)" in table


def test_a_remark_of_a_cell_is_a_footnote():
    spec = make_spec()
    cells = make_row(spec, "good", [5.0], reason="trained in parts by a, then b")
    assert "1. seed 0: trained in parts by a, then b" in render(spec, cells, "md")


def test_rows_say_how_long_they_have_learned():
    spec = make_spec()
    cells = [
        *make_row(spec, "good", [5.0], epochs=7, steps=2184),
        make_cell(spec, "good", 1, {"nme": 5.0}, epochs=9, steps=2808, train_seconds=70.0),
        *make_row(spec, "plain", [5.0], status="failed", epochs=1, steps=9),
        *make_row(spec, "mean", [9.0]),
    ]
    section = render(spec, cells, "md").split("## How long each row has learned")[1]
    (line,) = [line for line in section.splitlines() if line.startswith("| Good")]
    assert [part.strip() for part in line.split("|")[2:6]] == [
        "7 to 9",
        "2,184 to 2,808",
        "—",
        "1.0",
    ]
    assert "Plain" not in section and "Mean" not in section
    assert "How long" not in render(spec, make_row(spec, "mean", [9.0]), "md")


def test_dirty_and_several_commits_are_named():
    spec = make_spec()
    cells = [
        *make_row(spec, "good", [5.0]),
        *make_row(spec, "plain", [5.0], commit="1234567890abcdef", dirty=True),
    ]
    assert "commit abcdef0123 and 1234567890+changes;" in render(spec, cells, "md")


def hostile_table(fmt):
    spec = make_spec(title=HOSTILE, note=HOSTILE, claims=[])
    rows = [row.model_copy(update={"label": HOSTILE, "note": HOSTILE}) for row in spec.rows]
    spec = spec.model_copy(update={"rows": rows})
    cells = make_row(spec, "good", [5.0, 5.5])
    cells.append(make_cell(spec, "plain", 0, status="failed", reason=HOSTILE))
    return render(spec, cells, fmt)


def test_hostile_names_do_no_harm_in_markdown():
    table = hostile_table("md")
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert "\x1b" not in table
    assert not re.search(r"(?<!\\)\]\(", table), "a link"
    assert "<" not in table
    assert "@all" not in table
    assert table.splitlines()[0].startswith("# a\\|b_c\\*")


def test_hostile_names_do_no_harm_in_latex():
    table = hostile_table("tex")
    assert_balanced(table)
    assert table.count(r"\end{tabular}") == 1
    assert table.isascii() or max(map(ord, table)) < 0x180


@pytest.mark.parametrize("fmt", ["tex"])
def test_latex_is_balanced_for_the_suites_own_table(fmt):
    spec = load_spec("mafl")
    cells = [
        make_cell(spec, row.id, 0, {"nme": 5.0, "nme_b": 4.5, "nme_var_b": 4.0})
        for row in spec.rows
        if row.method is not None
    ]
    assert_balanced(render(spec, cells, fmt))


def assert_balanced(source):
    bare = re.sub(r"\\[{}%$&#_\\]", "", re.sub(r"(?m)^%.*$", "", source.replace(r"\\", "")))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert "%" not in bare
    assert "_" not in bare
    open_environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", source):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", source, re.DOTALL
    ):
        assert [body.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [1, 1]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1


def test_escapes():
    assert escape_markdown("nme_var_b _x_ a*b") == r"nme_var_b \_x\_ a\*b"
    assert escape_markdown("R&D &lt; <") == "R&D &amp;lt; &lt;"
    assert escape_latex('a_b "q" 5% ~\\') == (r"a\_b ``q'' 5\% \textasciitilde{}\textbackslash{}")


def test_csv_is_long_and_complete():
    spec = golden_spec()
    lines = list(csv.DictReader(io.StringIO(render(spec, golden_cells(spec), "csv"))))
    keys = [(line["row"], line["seed"], line["metric"]) for line in lines]
    assert len(set(keys)) == len(keys)
    (found,) = [line for line in lines if (line["row"], line["metric"]) == ("good", "ause")][:1]
    assert float(found["value"]) == 0.125
    by_key = dict(zip(keys, lines, strict=True))
    assert by_key["good", "1", "nme"]["published"] == "2.5"
    assert by_key["plain", "0", "nme"]["value"] == ""
    assert by_key["plain", "0", "nme"]["reason"] == "loss is nan_ <at> step|3 & 5 %"
    assert by_key["elsewhere", "", "nme"]["status"] == "published"
    assert by_key["mean", "0", "nme_var_b"]["status"] == "n/a"
    assert {line["source"] for line in lines} == {"standin"}


def test_json_holds_everything_and_survives_nan():
    spec = golden_spec()
    cells = [*golden_cells(spec)[:3], *make_row(spec, "plain", [math.nan])]
    found = json.loads(render(spec, cells, "json"), parse_constant=pytest.fail)
    rows = {row["id"]: row for row in found["rows"]}
    assert rows["good"]["metrics"]["nme"]["values"] == {"0": 5.0, "1": 5.5}
    assert rows["good"]["metrics"]["nme"]["mean"] == pytest.approx(5.25)
    assert rows["plain"]["metrics"]["nme"]["state"] == "failed"
    assert rows["elsewhere"]["metrics"]["nme"]["state"] == "not run"
    assert rows["mean"]["control"] is True
    claims = {item["id"]: item for item in found["claims"]}
    assert claims["half"]["verdict"] in ("holds", "undecided")
    assert claims["published"]["published"] == {
        "left": 2.5,
        "right": 3.0,
        "difference": 0.5,
        "holds": True,
        "sources": ["Paper A", "Paper B"],
    }
    assert len(found["cells"]) == 4
    assert found["cells"][0]["config"]["args"] == {"image_size": 32, "n_keypoints": 30}


def test_decomposition_parts_the_gain():
    spec = golden_spec()
    (found,) = decompose(spec, golden_cells(spec))
    assert found.row == "good"
    assert (found.total.mean, found.confound.mean, found.rest.mean) == pytest.approx(
        (0.75, 0.25, 0.5)
    )
    assert found.share == pytest.approx(1 / 3)
    assert found.total.std == pytest.approx(0.0)
    assert found.published == pytest.approx(0.25)


def test_no_share_of_a_loss():
    spec = make_spec()
    cells = [make_cell(spec, "good", 0, {"nme": 5.0, "nme_b": 4.0, "nme_var_b": 4.5})]
    (found,) = decompose(spec, cells)
    assert found.rest.mean == pytest.approx(-0.5)
    assert found.share is None


def test_a_control_that_wins_is_news():
    spec = make_spec(columns=["nme", "nme_b"])
    cells = [make_cell(spec, "mean", 0, {"nme": 5.0, "nme_b": 9.0}, intervals=0.25)]
    cells.append(make_cell(spec, "good", 0, {"nme": 6.0, "nme_b": 8.0}, intervals=0.25))
    cells.append(make_cell(spec, "plain", 0, {"nme": 5.1, "nme_b": 8.0}, intervals=0.25))
    (found,) = upsets(spec, cells)
    assert (found.control, found.metric) == ("mean", "nme")
    assert (found.beaten, found.ahead) == (("good",), ("plain",))
    assert "- `nme`: `mean` beats good; is ahead of plain, within the noise." in render(
        spec, cells, "md"
    )


def test_a_lead_by_an_unknown_noise_is_said_and_one_over_failed_seeds_is_none():
    spec = make_spec(columns=["nme"])
    cells = [make_cell(spec, "mean", 0, {"nme": 5.0}), make_cell(spec, "good", 0, {"nme": 9.0})]
    cells += make_row(spec, "plain", [6.0, 6.1])
    cells.append(make_cell(spec, "plain", 2, status="failed", reason="loss is nan"))
    (found,) = upsets(spec, cells)
    assert (found.beaten, found.ahead, found.unknown) == ((), (), ("good",))
    assert "`mean` is ahead of good, by a noise that nothing tells." in render(spec, cells, "md")


def test_a_control_that_leaks_less_is_no_news():
    told, leaked = "leak_where_expression", "leak_what_expression"
    spec = make_spec(columns=[told, leaked])
    cells = [
        make_cell(spec, row, 0, {told: 40.0, leaked: value}, intervals=0.25)
        for row, value in (("good", 30.0), ("plain", 35.0), ("mean", 14.3))
    ]
    assert upsets(spec, cells) == []
    best = build_table(spec, cells).best
    assert best[leaked] == {"good"} and best[told] == {"good", "plain", "mean"}


def test_controls_are_the_registrys_controls_and_untrained_networks():
    from lightning_modules.registry import METHODS

    controls = {name for name, target in METHODS.items() if ".controls." in target}
    # That a method trained on the labels wins is no news.
    assert controls - {"supervised_landmarks", "frozen_backbone"} == TRIVIAL_METHODS
    named = {row.id for row in load_spec("mafl").rows if is_control(row)}
    assert {"mean-shape", "untrained-k30", "pca-60"} <= named
    assert not {"dlp-k30", "keynet-k30"} & named


def test_the_module_offers_its_formats():
    assert tables.FORMATS == ("md", "tex", "csv", "json")
