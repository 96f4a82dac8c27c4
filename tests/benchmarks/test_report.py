"""The report: whole, closed to the world, deaf to hostile names, honest about what is missing."""

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from benchmarks import cli
from benchmarks.report.collect import collect, folder_names
from benchmarks.report.compare import changes, summary
from benchmarks.report.images import NARROWEST, embed
from benchmarks.report.page import render, write_page
from benchmarks.report.panes import last_lines
from benchmarks.report.plots import curve_plot, scale_of
from benchmarks.store import Store
from benchmarks.table_data import build_table
from tests.benchmarks.made_cells import SPEC, claim, make_cell, make_row, make_spec

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}</title></style>&amp;"


class Page(HTMLParser):
    """Tags with their attributes, and the text between."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join("".join(self.words).split())


def write_spec(folder, spec):
    path = folder / "made.yaml"
    path.write_text(json.dumps(spec.model_dump(mode="json", exclude_defaults=True)))
    return str(path)


def picture(path, size=(64, 48), colour=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if colour is None:
        pixels = np.random.default_rng(len(str(path))).integers(0, 256, (*size[::-1], 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    else:
        Image.new("RGB", size, colour).save(path)
    return path


def kept(folder, cells):
    store = Store(folder)
    for cell in cells:
        store.write(cell)
    return store


@pytest.fixture
def spec(tmp_path):
    made = make_spec(
        claims=[
            claim(("good", "nme"), ("plain", "nme")),
            claim(("plain", "nme"), ("mean", "nme"), id="d"),
        ]
    )
    made_file = write_spec(tmp_path, made)
    return made, made_file


@pytest.fixture
def results(spec, tmp_path):
    """A folder with all there can be: seeds, a failure, pictures, curves, a log."""
    made, _ = spec
    cells = [
        *make_row(made, "good", [3.0, 3.2, 3.1], dirty=True),
        *make_row(made, "plain", [5.0, 5.4, 5.1]),
        make_cell(made, "mean", 0, status="failed", reason="no memory left"),
    ]
    store = kept(tmp_path / "one", cells)
    for cell in cells[:2]:
        picture(store.run_folder(cell.cell_id) / "pictures" / "particles.png")
    picture(store.run_folder(cells[3].cell_id) / "pictures" / "swaps.png", colour=(9, 9, 9))
    picture(store.run_folder(cells[3].cell_id) / "pictures" / "curves.png", colour=(9, 9, 9))
    rows = [
        {"epoch": 0, "step": 3, "train/loss": 4.0, "val/loss": 5.0},
        {"epoch": 1, "step": 7, "train/loss": 2.0, "val/loss": float("nan")},
    ]
    log = store.run_folder(cells[0].cell_id) / "metrics.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    failed = store.run_folder(cells[-1].cell_id) / "log.txt"
    failed.parent.mkdir(parents=True)
    failed.write_text("".join(f"line {number}\n" for number in range(60)))
    return tmp_path / "one"


def test_the_page_has_all_there_is(spec, results):
    text = render(collect([results], [spec[1]]))
    page = Page(text)
    assert [h for h in page.text.split() if h == "STAND-IN"]
    for words in (
        "Good, K=30",
        "3.10 ± 0.10",
        "2.50",
        "Paper A",
        "holds",
        "not run",
        "fails to"[:5],
    ):
        assert words in page.text
    assert "1 of 7 cells have no numbers" in page.text and "no memory left" in page.text
    assert "line 59" in page.text and "line 40" in page.text and "line 39" not in page.text
    assert "with uncommitted changes" in page.text and "0.88 GiB" in page.text
    assert "1 min 0 s" in page.text and '"n_keypoints": 30' in page.text
    shown = [attributes["alt"] for attributes in page.all("img")]
    assert shown == ["particles, Good, K=30", "swaps, Plain", ""]
    assert len(page.all("polyline")) == 1  # the one finite value of validation is a line
    assert len(page.all("circle")) == 6 + 1 and page.text.count("one seed") > 0


def test_the_page_lets_nothing_in_and_nothing_out(spec, results):
    text = render(collect([results], [spec[1]]))
    page = Page(text)
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    allowed = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert allowed["default-src"] == "'none'" and allowed["img-src"] == "data:"
    assert "unsafe" not in policy and allowed["form-action"] == allowed["base-uri"] == "'none'"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert allowed[rule] == f"'sha256-{digest}'"
    assert not page.all("link") and not page.all("iframe")
    for _, attributes in page.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith(("data:image/webp;base64,", "#"))
    targets = [attributes["href"][1:] for attributes in page.all("a")]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert set(targets) <= set(ids) and len(set(ids)) == len(ids)


def test_hostile_names_are_words_and_nothing_else(tmp_path):
    rows = [
        row | ({"label": HOSTILE, "note": HOSTILE} if row["id"] == "good" else {})
        for row in SPEC["rows"]
    ]
    rows[0]["published"] = {"nme": {"value": 2.0, "source": HOSTILE, "protocol": HOSTILE}}
    sentence = claim(("good", "nme"), ("plain", "nme"), text=HOSTILE, source=HOSTILE)
    made = make_spec(rows=rows, title=HOSTILE, note=HOSTILE, claims=[sentence])
    cells = [
        make_cell(
            made,
            "good",
            0,
            {"nme": 3.0},
            reason=HOSTILE,
            device=HOSTILE,
            versions={HOSTILE: HOSTILE},
        ),
        make_cell(made, "plain", 0, status="failed", reason=HOSTILE),
    ]
    store = kept(tmp_path / "one", cells)
    log = store.run_folder(cells[1].cell_id) / "log.txt"
    log.parent.mkdir(parents=True)
    log.write_text(f"\x1b[31m{HOSTILE}\x1b[0m\n")
    metrics = store.run_folder(cells[0].cell_id) / "metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    metrics.write_text(json.dumps({"epoch": 0, "step": 1, f"train/{HOSTILE}": 1.0}) + "\n")
    picture(store.run_folder(cells[0].cell_id) / "pictures" / "<b>swaps</b>.png".replace("/", "_"))
    other = kept(tmp_path / "<i>two<!--", [make_cell(made, "good", 0, {"nme": 2.0})])
    path = write_spec(tmp_path, made)
    text = render(collect([store.root, other.root], [path]))
    page = Page(text)
    assert len(page.all("script")) == 1 and not page.all("b") and not page.all("i")
    assert all(attributes["src"].startswith("data:") for attributes in page.all("img")[:-1])
    assert not [a for _, a in page.tags for name in a if name.startswith("on")]
    assert "alert(1)" not in "".join(re.findall("<script>(.*?)</script>", text, re.DOTALL))
    assert page.text.count("{{7*7}}") > 8 and "\x1b" not in text
    (title,) = re.findall("<title>(whatwhere.*?)</title>", text, re.DOTALL)
    assert "<" not in title


def test_real_and_standin_results_never_share_a_table(spec, tmp_path):
    made, path = spec
    cells = [
        *make_row(made, "good", [3.0]),
        *make_row(made, "good", [2.0], source="real"),
        *make_row(made, "good", [4.0], source="real", fingerprint="f" * 16),
        *make_row(made, "good", [9.0], budget="smoke"),
    ]
    kept(tmp_path / "one", cells)
    found = collect([tmp_path / "one"], [path])
    seen = [(s.group.source, s.group.budget, s.group.data_fingerprint[0]) for s in found.sections]
    assert sorted(seen) == sorted(
        [
            ("real", "quick", "0"),
            ("real", "quick", "f"),
            ("standin", "quick", "0"),
            ("standin", "smoke", "0"),
        ]
    )
    assert [source for source, *_ in seen][:2] == ["real", "real"]
    for section in found.sections:
        assert len(section.panes[0].data.cells) == 1
    page = Page(render(found))
    badges = [a["class"] for a in page.all("span") if a.get("class", "").startswith("source ")]
    assert badges == 2 * [f"source {source}" for source, *_ in seen]
    only = collect([tmp_path / "one"], [path], budget="smoke", source="standin")
    assert [section.group.budget for section in only.sections] == ["smoke"]


def test_two_folders_stand_side_by_side_with_what_changed(spec, tmp_path):
    made, path = spec
    kept(
        tmp_path / "a" / "results",
        make_row(made, "good", [3.0, 3.1, 3.2]) + make_row(made, "plain", [5.0]),
    )
    kept(
        tmp_path / "b" / "results",
        make_row(made, "good", [2.0, 2.1, 2.3]) + make_row(made, "mean", [9.0]),
    )
    (section,) = collect([tmp_path / "a" / "results", tmp_path / "b" / "results"], [path]).sections
    assert [pane.name for pane in section.panes] == ["a/results", "b/results"]
    found = changes(*(pane.data for pane in section.panes))
    shown = [(item.label, item.before, item.after, item.difference, item.outcome) for item in found]
    assert shown == [
        ("Good, K=30", "3.10", "2.13", "-0.97", "better"),
        ("Plain", "5.00", "not run", "", "not in both"),
        ("Mean shape", "not run", "9.00", "", "not in both"),
    ]
    assert summary(found) == "1 better, 2 not in both"
    page = Page(render(collect([tmp_path / "a" / "results", tmp_path / "b" / "results"], [path])))
    assert "panes n2" in [attributes.get("class") for attributes in page.all("div")]
    assert "1 better, 2 not in both" in page.text and len(page.all("article")) == 2


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ([3.0, 3.1, 3.2], "equal"),
        ([3.05, 3.05, 3.25], "within the noise"),
        ([4.0, 4.1, 4.3], "worse"),
    ],
)
def test_a_change_is_judged_by_its_noise(spec, after, outcome):
    tables = [
        build_table(spec[0], make_row(spec[0], "good", values))
        for values in ([3.0, 3.1, 3.2], after)
    ]
    assert [item.outcome for item in changes(*tables)] == [outcome]


def test_one_seed_without_an_interval_has_no_verdict(spec):
    tables = [build_table(spec[0], make_row(spec[0], "good", [value])) for value in (3.0, 4.0)]
    assert [item.outcome for item in changes(*tables)] == ["noise unknown"]


def test_damaged_stale_and_unknown_cells_are_named(spec, tmp_path):
    made, path = spec
    cells = make_row(made, "good", [3.0, 3.1])
    store = kept(tmp_path / "one", cells)
    store.cell_path("made", cells[1].cell_id).write_text("{")
    older = make_spec(
        rows=[{**SPEC["rows"][1], "args": {"n_keypoints": 7}}, *SPEC["rows"][2:], SPEC["rows"][0]]
    )
    store.write(make_cell(older, "plain", 0, {"nme": 1.0}))
    found = collect([tmp_path / "one"], [path])
    (section,) = found.sections
    assert section.panes[0].stale == 1 and len(section.panes[0].data.cells) == 1
    assert [
        str(store.cell_path("made", cells[1].cell_id)) in words for words in found.problems
    ] == [True]
    with pytest.raises(ValueError, match=r"holds no cell to show \(table 'made' is none of the"):
        collect([tmp_path / "one"])
    with pytest.raises(ValueError, match="run `whatwhere bench mnist` first"):
        collect([tmp_path / "nowhere"], ["mnist"])


def test_folders_are_called_by_what_tells_them_apart(tmp_path):
    names = folder_names([tmp_path / "x" / "results", tmp_path / "y" / "results"])
    assert names == ["x/results", "y/results"] and folder_names([tmp_path / "x"]) == ["x"]
    with pytest.raises(ValueError, match="the same results folder twice"):
        folder_names([tmp_path / "x", tmp_path / "y" / ".." / "x"])


def test_pictures_shrink_until_they_fit_and_else_are_counted(tmp_path):
    files = [picture(tmp_path / f"{name}.png", (1400, 300)) for name in "abc"]
    (tmp_path / "broken.png").write_bytes(b"no")
    full, problems = embed([files[0], tmp_path / "broken.png"])
    assert full[files[0]].width == 1100 and full[files[0]].height == round(300 * 1100 / 1400)
    assert len(problems) == 1 and "broken.png is no picture" in problems[0]
    size = len(base64.b64decode(full[files[0]].address.partition(",")[2]))
    smaller, problems = embed(files, limit=int(1.5 * size))
    assert len(smaller) == 3 and not problems
    assert NARROWEST <= smaller[files[0]].width < 1100
    total = sum(len(base64.b64decode(p.address.partition(",")[2])) for p in smaller.values())
    assert 0.5 * size < total <= 1.5 * size
    few, problems = embed(files, limit=int(0.05 * size))
    assert list(few) == files[: len(few)] and len(few) < 3
    assert f"{3 - len(few)} of 3 pictures are left out" in problems[0]


def test_dots_bars_and_marks_stand_where_the_numbers_are(spec):
    data = build_table(
        spec[0], make_row(spec[0], "good", [2.0, 4.0]) + make_row(spec[0], "plain", [6.0])
    )
    scale = scale_of("nme", [data])
    assert (scale.low, scale.high) == pytest.approx((2 - 0.24, 6 + 0.24))
    assert scale.ticks == (2.0, 3.0, 4.0, 5.0, 6.0)
    assert [scale(value) for value in (1.76, 4.0, 6.24, 99.0)] == [
        "0.00%",
        "50.00%",
        "100.00%",
        "100.00%",
    ]
    assert scale_of("nme_b", [data]) is None


def test_a_curve_is_thinned_and_what_is_not_finite_left_out():
    epochs = np.arange(1, 1001, dtype=float)
    values = np.where(epochs == 500, np.inf, 1000 - epochs)
    drawn = str(curve_plot("loss", {"train": (epochs, values)}))
    (points,) = re.findall('points="(.*?)"', drawn)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert len(places) == 120 and places[0] == (0.1, 0.0) and places[-1] == (100.0, 100.0)
    assert curve_plot("loss", {"train": (epochs[:1], np.array([np.nan]))}) is None


def test_the_end_of_a_log_is_readable(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(
        b"first\n" * 9000 + b"10 %\r20 %\rdone\r\n\x1b[1;31mError\x1b[0m: \xff\x00bad\n\n"
    )
    assert last_lines(log, 3) == "first\ndone\nError: \ufffdbad"
    assert last_lines(tmp_path / "none.txt") == ""


def test_the_command_writes_the_page_and_says_how_large(
    spec, results, tmp_path, monkeypatch, capsys
):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["whatwhere", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    page = tmp_path / "out" / "report.html"
    code, out, _ = run(spec[1], "--results", results, "-o", page)
    size = page.stat().st_size
    assert code == 0 and out == f"{page} ({size / 1e6:.2g} MB)\n" and size > 20_000
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    for arguments, message in (
        ([spec[1], "--results", tmp_path / "no"], "holds no cell to show"),
        (["mfl", "--results", results], "unknown table 'mfl'; did you mean mafl"),
        ([spec[1], "--results", results, "-o", "report.pdf"], "let its name end in .html"),
        ([spec[1], *3 * ["--results", results]], "a page compares two at most"),
    ):
        code, _, err = run(*arguments)
        assert code == 2 and message in err.replace("\n", " ")


def test_the_same_results_give_the_same_page(spec, results, tmp_path):
    sizes = [write_page(collect([results], [spec[1]]), tmp_path / name) for name in ("a", "b")]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sizes == [(tmp_path / "a").stat().st_size] * 2


@pytest.mark.parametrize(
    ("value", "words"), [(1597.4, "1597"), (0.0029874, "0.00299"), (-530.2, "-530"), (2e7, "2e+07")]
)
def test_ends_of_curves_are_short(value, words):
    drawn = str(curve_plot("loss", {"train": (np.array([1.0, 2.0]), np.array([value, 0.0]))}))
    assert f">{words}</span>" in drawn and "2 epochs" in drawn
