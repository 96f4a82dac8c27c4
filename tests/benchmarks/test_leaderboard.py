"""One page of all kept tables, and what is in git says what the kept cells say."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks import showing
from benchmarks.excerpts import fill
from benchmarks.keeping import keep, kept_tables
from benchmarks.leaderboard import MAIN_COLUMNS, _anchor, page
from benchmarks.store import Store
from tests.benchmarks.made_cells import SPEC, claim, make_row, make_spec
from tests.plugins import ROOT

CLAIMS = [
    claim(("good", "nme"), ("plain", "nme"), id="better"),
    claim(("good", "nme"), ("mean", "nme"), id="beats", text="Good beats 5 < 6 means"),
    claim(("plain", "nme"), ("good", "nme"), id="own", origin="suite"),
]


@pytest.fixture
def git(tmp_path):
    """A results folder with the made-up table at two budgets, and its YAML file."""
    spec = make_spec(claims=CLAIMS)
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(SPEC | {"claims": CLAIMS}))
    store = Store(tmp_path / "results")
    keep(spec, make_row(spec, "good", [5.0, 5.5, 5.25]), store)
    keep(spec, make_row(spec, "plain", [8.0, 8.5, 8.75]), store)
    keep(spec, make_row(spec, "mean", [9.0, 9.0, 9.0]), store)
    keep(spec, make_row(spec, "good", [7.0], budget="smoke"), store)
    return store, str(path), tmp_path / "docs" / "leaderboard.md"


def test_a_table_on_the_page(git):
    store, path, place = git
    (store.root / "baselines").mkdir()
    (store.root / "baselines" / "made-quick-standin.json").write_text("{}")
    text = page(kept_tables(store, [path]), store, place, ["mafl", "mug"])
    assert "Without kept cells: `mafl`, `mug`." in text
    first = text[text.index("## made, STAND-IN data, quick") :]
    first = first[: first.index("\n## ")]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in first.splitlines()
        if line.startswith("|")
    ]
    assert lines[2] == ["Good, K=30", "3", "**5.25** ± 0.25", "—", "—"]
    assert lines[3] == ["Plain", "3", "8.42 ± 0.38", "—", "—"]
    assert lines[4] == ["Mean shape (control)", "3", "9.00 ± 0.00", "—", "—"]
    assert len(lines) == 5
    assert "**Made-up errors**. Table made, protocol landmarks version 1, 3 seeds" in first
    assert "- **holds**: Good beats 5 &lt; 6 means (Paper A)" in first
    assert "- **fails**: One beats the other (this suite)" in first
    for fmt in ("md", "tex", "csv", "json"):
        assert f"[{fmt}](../results/kept/tables/made-quick-standin.{fmt})" in first
    assert "[accepted numbers](../results/baselines/made-quick-standin.json)" in first
    smoke = text[text.index("## made, STAND-IN data, smoke") :]
    assert "Not run: Plain; Mean shape." in smoke and "accepted" not in smoke


def test_the_overview_counts_verdicts_and_links_to_headings(git):
    store, path, place = git
    text = page(kept_tables(store, [path]), store, place, [])
    (quick, smoke) = re.findall(r"^\| \[made\]\(#([^)]+)\)(.*)$", text, re.M)
    assert [cell.strip() for cell in quick[1].split("|")[1:]] == [
        *("STAND-IN data", "quick", "3", "3 of 3", "2", "1", "", "", "")
    ]
    assert [cell.strip() for cell in smoke[1].split("|")[1:]] == [
        *("STAND-IN data", "smoke", "1", "1 of 3", "", "", "", "3", "")
    ]
    headings = {_anchor(line[3:]) for line in text.splitlines() if line.startswith("## ")}
    assert (
        {quick[0], smoke[0]}
        == headings
        == {
            "made-stand-in-data-quick",
            "made-stand-in-data-smoke",
        }
    )


def test_many_columns_are_cut_and_said(git):
    store, _, place = git
    columns = ["nme_b", "nme_var", "nme_var_b", "ause", "var_error_spearman", "nme_mlp", "nme"]
    spec = make_spec(columns=columns)
    found = keep(spec, make_row(spec, "good", [5.0]), Store(store.root / "wide"))
    assert found.written
    path = place.parent.parent / "wide.yaml"
    path.write_text(yaml.safe_dump(SPEC | {"columns": columns, "claims": CLAIMS}))
    text = page(kept_tables(Store(store.root / "wide"), [str(path)]), store, place, [])
    assert f"with {len(columns) - MAIN_COLUMNS} more columns: " in text
    (header,) = re.findall(r"^\| row .*$", text, re.M)
    assert header.count("|") == 3 + MAIN_COLUMNS
    # The column that the claims speak of is there though it is the last one.
    assert header.rstrip("| ").endswith("NME, % ↓")


def test_writing_then_checking_then_a_change(git, capsys):
    store, path, place = git

    def run(check):
        code = showing.leaderboard([path], store.root, place, check=check)
        said = capsys.readouterr()
        return code, said.out, said.err

    assert run(check=True)[0] == 1  # no page yet
    assert run(check=False)[0] == 0
    assert run(check=True)[0] == 0
    table = store.kept().tables_folder() / "made-quick-standin.md"
    table.write_text(table.read_text().replace("5.25", "4.25"))
    (store.kept().tables_folder() / "gone-quick-standin.csv").touch()
    code, out, err = run(check=True)
    assert (code, out) == (1, "")
    assert f"{table} is not what the kept cells say" in err
    assert "gone-quick-standin.csv: no kept cells stand behind it" in err
    assert err.count("is not what") == 1 and "`git checkout` undoes your own run" in err
    assert "4.25" in table.read_text()  # looked at, not touched
    run(check=False)
    (store.kept().tables_folder() / "gone-quick-standin.csv").unlink()
    assert run(check=True)[0] == 0


PAGE = """\
# Words

<!-- excerpt
table: made-quick-standin
rows: {mean: Nobody, good: ""}
columns: [nme]
-->

| old | 1 |
| older | 2 |

More words | with a bar.
"""


@pytest.fixture
def filled(git, tmp_path):
    """A page after `fill`, given as text."""
    store, path, _ = git
    tables = {data.group.file_stem: data for data in kept_tables(store, [path])}

    def fill_in(words):
        page = tmp_path / "page.md"
        page.write_text(words)
        return fill(page, tables)

    return fill_in


def test_an_excerpt_has_the_rows_and_columns_its_page_asks_for(filled):
    text = filled(PAGE)
    begin, end = PAGE.split("| old | 1 |\n| older | 2 |\n")
    assert text.startswith(begin) and text.endswith(end)
    lines = text.removeprefix(begin).removesuffix(end).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["row", "NME, % ↓"]
    assert cells[2:] == [["Nobody", "9.00 ± 0.00"], ["Good, K=30", "**5.25** ± 0.25"]]
    assert filled(text) == text


def test_an_excerpt_without_a_grid_gets_one_and_other_pages_are_let_be(filled):
    words = "<!-- excerpt\ntable: made-smoke-standin\ncolumns: {nme: error}\n-->\n"
    text = filled(words)
    assert text.startswith(words)
    assert [line.split("|")[1].strip() for line in text.splitlines()[4:]][0::2] == [
        "row",
        "Good, K=30",
    ]
    # One seed: no noise of seeds, and its interval is in the whole table alone.
    assert "7.00" in text and "(" not in text.removeprefix(words)
    assert filled("| a | b |\n\n<!-- a comment -->\n") == "| a | b |\n\n<!-- a comment -->\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("made-quick", "mode-quick", "unknown kept table 'mode-quick-standin'; did you mean made"),
        ("good:", "god:", "unknown row 'god'; did you mean good"),
        ("[nme]", "[nmee]", "unknown column 'nmee'; did you mean nme"),
        ("columns:", "colums:", "colums: Extra inputs are not permitted"),
        ("[nme]", "[nme", "while parsing a flow sequence"),
    ],
)
def test_a_wrong_excerpt_is_named_with_its_page_and_line(filled, old, new, message):
    with pytest.raises(ValueError, match=r"page\.md, line 3: ") as error:
        filled(PAGE.replace(old, new))
    assert message in str(error.value)


def test_published_numbers_stand_in_an_excerpt_where_asked_for(filled):
    words = "<!-- excerpt\ntable: made-quick-standin\npublished: true\n-->\n"
    header, _, good, *others = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in filled(words).removeprefix(words).splitlines()
    ]
    assert header == ["row", "NME, % ↓", "published", "NME +b, % ↓", "NME var +b, % ↓", "published"]
    assert good == ["Good, K=30", "**5.25** ± 0.25", "2.50", "—", "—", "2.25"]
    assert [row[0] for row in others] == ["Plain", "Mean shape"]


def test_without_kept_cells_there_is_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="no kept cells; `whatwhere keep TABLE` makes some"):
        showing.leaderboard([], tmp_path, tmp_path / "page.md", check=False)


def _modified(folder: str) -> list[str]:
    done = subprocess.run(
        ["git", "status", "--porcelain", "--", folder], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.split("\n")


def test_tables_and_page_in_git_are_what_the_kept_cells_say(capsys, monkeypatch):
    """`make tables` writes them; a table that somebody's own `bench` has overwritten is let be."""
    monkeypatch.chdir(ROOT)
    pages = [Path("README.md"), Path("docs/findings.md")]
    assert all("<!-- excerpt\n" in path.read_text() for path in pages)
    code = showing.leaderboard(
        [], Path("results"), Path("docs/leaderboard.md"), check=True, excerpts=pages
    )
    said = capsys.readouterr().err
    wrong = re.findall(r"(\S+) is not what the kept cells say", said)
    own = [path for path in wrong if any(Path(path).name in line for line in _modified("results"))]
    if code and wrong == own and "stand behind" not in said and "CI" not in os.environ:
        pytest.skip(f"not committed, of your own runs: {', '.join(own)}")
    assert code == 0, said
