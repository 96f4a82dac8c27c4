"""``whatwhere compare``: two folders, two revisions, and those older than kept cells."""

import json
import shutil
import subprocess

import pytest
import yaml

from benchmarks import showing
from benchmarks.comparing import compare_sides, read_side
from benchmarks.keeping import keep
from benchmarks.store import Store
from tests.benchmarks.made_cells import SPEC, claim, make_row, make_spec

CLAIM = claim(("good", "nme"), ("plain", "nme"))


@pytest.fixture
def spec_path(tmp_path):
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(SPEC | {"claims": [CLAIM]}))
    return str(path)


def cells(factor=1.0, **changes):
    spec = make_spec(claims=[CLAIM])
    return [
        *make_row(spec, "good", [5.0 * factor, 5.1 * factor, 4.9 * factor], **changes),
        *make_row(spec, "plain", [8.0, 8.1, 7.9], **changes),
    ]


def folder(path, made):
    for cell in made:
        Store(path).write(cell)
    return str(path)


def git(folder, *arguments):
    options = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """Three commits: tables alone, kept cells of the same numbers, kept cells of worse ones."""
    root = tmp_path / "checkout"
    results = Store(root / "results")
    spec = make_spec(claims=[CLAIM])

    root.mkdir()
    git(root, "init", "--initial-branch=main")
    for tag, factor in (("tables", 1.0), ("kept", 1.0), ("worse", 2.0)):
        keep(spec, cells(factor), results)
        if tag == "tables":
            # As the suite had them then.
            shutil.copytree(results.kept().tables_folder(), results.tables_folder())
            git(root, "add", str(results.tables_folder()))
        else:
            git(root, "add", str(results.kept().root))
        git(root, "commit", "-m", tag)
        git(root, "tag", tag)
    return results.root


def test_two_folders(tmp_path, spec_path, capsys):
    old, new = folder(tmp_path / "old", cells()), folder(tmp_path / "new", cells(2.0))
    paths = {"json": tmp_path / "c.json", "markdown": tmp_path / "c.md"}
    code = showing.compare((old, new), [spec_path], results=tmp_path / "results", **paths)
    out = capsys.readouterr().out
    assert code == 1 and "made-quick-standin: worse, 1 worse, 1 equal" in out
    assert paths["markdown"].read_text() == out
    content = json.loads(paths["json"].read_text())
    assert (content["before"], content["after"]) == (old, new)
    assert showing.compare((new, old), [spec_path], results=tmp_path / "results") == 0
    assert "1 better" in capsys.readouterr().out


def test_budgets_and_sources_are_compared_each_by_itself(tmp_path, spec_path):
    old = folder(tmp_path / "old", [*cells(), *cells(source="real"), *cells(budget="smoke")])
    new = folder(tmp_path / "new", [*cells(), *cells(2.0, source="real")])
    sides = [read_side(name, tmp_path) for name in (old, new)]
    found = compare_sides(*sides, [spec_path])
    assert [(item.name, item.exit_code) for item in found] == [
        ("made-quick-real", 1),
        ("made-quick-standin", 0),
    ]
    (only,) = compare_sides(*sides, [spec_path], source="standin")
    assert only.name == "made-quick-standin"
    with pytest.raises(ValueError, match="have no table, budget and source in common"):
        compare_sides(*sides, [spec_path], budget="smoke")


def test_other_data_does_not_compare_but_does_not_hide_what_does(tmp_path, spec_path):
    other = "f" * 16
    old = folder(tmp_path / "old", [*cells(), *cells(fingerprint=other)])
    new = folder(tmp_path / "new", cells(fingerprint=other))
    moved = folder(tmp_path / "moved", cells(fingerprint="a" * 16))
    sides = {name: read_side(name, tmp_path) for name in (old, new, moved)}
    (found,) = compare_sides(sides[old], sides[new], [spec_path])
    assert found.exit_code == 0 and len(found.metrics) == 2
    (found,) = compare_sides(sides[new], sides[moved], [spec_path])
    assert found.exit_code == 2 and found.errors[0].startswith("data_fingerprint is ffff")
    (found,) = compare_sides(sides[old], sides[moved], [spec_path])
    assert found.exit_code == 2 and "cells of several data" in found.errors[0]


def test_two_revisions_by_their_kept_cells(repository, spec_path):
    before, after = (read_side(name, repository) for name in ("kept", "main"))
    assert len(before.cells["made"]) == len(after.cells["made"]) == 6
    assert before.words.startswith("kept (") and len(before.revision) == 10
    (found,) = compare_sides(before, after, [spec_path])
    assert found.exit_code == 1
    assert {item.outcome for item in found.metrics} == {"worse", "equal"}
    # A revision against what was measured now, and HEAD~1 is a revision too.
    (found,) = compare_sides(
        read_side("HEAD~1", repository),
        read_side(str(repository / "kept"), repository),
        [spec_path],
    )
    assert found.exit_code == 1


def test_a_revision_from_before_kept_cells_is_read_from_its_tables(repository, spec_path):
    (found,) = compare_sides(
        read_side("tables", repository), read_side("kept", repository), [spec_path]
    )
    assert {item.outcome for item in found.metrics} == {"equal"}
    assert len(found.metrics) == 2


def test_what_is_neither_folder_nor_revision_is_said(repository, tmp_path):
    with pytest.raises(ValueError, match=r"'nothing' is neither a results folder .* nor a commit"):
        read_side("nothing", repository)
    with pytest.raises(ValueError, match="neither a results folder"):
        read_side("main", tmp_path)  # no checkout
    (repository / "kept" / "cells" / "made").rename(tmp_path / "away")
    for path in (repository / "tables").iterdir():
        path.unlink()
    options = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(
        ["git", *options, "commit", "-qam", "empty"],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    with pytest.raises(ValueError, match=r"revision main holds no cells, neither in results/kept"):
        read_side("main", repository)


def test_rows_that_left_the_table_are_named(tmp_path, spec_path):
    first, *others = SPEC["rows"]
    renamed = make_spec(rows=[first | {"id": "old-good"}, *others])
    made = [*cells(), *make_row(renamed, "old-good", [5.0])]
    old, new = folder(tmp_path / "old", made), folder(tmp_path / "new", cells())
    (found,) = compare_sides(*(read_side(side, tmp_path) for side in (old, new)), [spec_path])
    (note,) = found.notes
    assert note.startswith("old-good, seed 0, ") and note.endswith("no longer a row of the table")
    assert found.exit_code == 0
    alone = folder(tmp_path / "alone", make_row(renamed, "old-good", [5.0]))
    (found,) = compare_sides(*(read_side(side, tmp_path) for side in (alone, new)), [spec_path])
    assert found.exit_code == 2 and "no cell of a row that the table still has" in found.errors[0]


def test_of_a_folder_with_old_settings_too_the_present_ones_are_taken(tmp_path, spec_path):
    first, *others = SPEC["rows"]
    changed = make_spec(rows=[first | {"args": {"n_keypoints": 25}}, *others])
    stale = make_row(changed, "good", [9.0, 9.1, 9.2])
    old, new = folder(tmp_path / "old", [*cells(), *stale]), folder(tmp_path / "new", cells())
    (found,) = compare_sides(*(read_side(side, tmp_path) for side in (old, new)), [spec_path])
    assert {item.outcome for item in found.metrics} == {"equal"}
    assert sorted(found.notes) == sorted(
        f"good, seed {cell.seed}, {cell.cell_id}: left out, of other settings" for cell in stale
    )
    # Settings of another revision alone are compared, and said.
    alone = folder(tmp_path / "alone", stale)
    (found,) = compare_sides(*(read_side(side, tmp_path) for side in (alone, new)), [spec_path])
    assert found.notes[0] == "good: other settings, args.n_keypoints 25 -> 30"


def test_the_command(command, tmp_path, spec_path):
    old, new = folder(tmp_path / "old", cells()), folder(tmp_path / "new", cells(2.0))
    code, out, _ = command("compare", old, new, "--table", spec_path)
    assert code == 1 and "**worse**" in out
    assert command("compare", old, old, "--table", spec_path)[0] == 0
    code, _, err = command("compare", old, "nowhere", "--table", spec_path)
    assert code == 2 and "'nowhere' is neither a results folder" in err.replace("\n", " ")
    code, _, err = command("compare", old, new)
    assert code == 2 and "table 'made' is none of the suite's: --table its YAML file" in err
