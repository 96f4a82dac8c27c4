import shutil

import numpy as np
from PIL import Image

from datamodules.sprites import Sprites
from tests.datamodules.test_sprites_generated import write_arrays, write_frames


def rows(root):
    report = Sprites.verify(root)
    return report, {check.item: check for check in report.checks}


def test_other_sheets_are_usable_with_a_warning(own_sprite_sheets):
    report, found = rows(own_sprite_sheets)
    assert report.usable and (report.dataset, report.root) == ("sprites", str(own_sprite_sheets))
    assert found["read from"].found == "sheets: clips='actions' and clips='sheet'"
    assert found["body"].status == "warn" and "numbers do not compare" in found["body"].remedy
    assert found["body"].found.startswith("6 of 6; other pixels in body/0.png, body/1.png")
    assert found["shoes"].found == "1 of 1; other pixels in shoes/1.png"
    assert found["poses"].found == "178 of every body; 177 of bottomwear/4.png, the fewest"
    assert found["splits"].found == "train 900, val 100, test 296, all 1,296"
    assert all(check.remedy for check in report.checks if check.status != "ok")


def test_missing_broken_and_empty_sheets(own_sprite_sheets):
    folder = own_sprite_sheets / "lpc"
    (folder / "hair/2.png").unlink()
    Image.new("RGBA", (832, 1280)).save(folder / "topwear/1.png")
    with Image.open(folder / "body/3.png") as image:
        pixels = np.asarray(image.convert("RGBA")).copy()
    pixels[:64] = 0
    Image.fromarray(pixels).save(folder / "body/3.png")
    report, found = rows(own_sprite_sheets)
    assert not report.usable
    assert found["hair"].found.startswith("5 of 6; missing hair/2.png")
    assert found["topwear"].found.startswith("6 of 6; 1 unreadable; other pixels")
    assert "1.png is 832 x 1280 px" in found["topwear"].remedy
    assert found["poses"].status == "warn"
    assert found["poses"].found.startswith("fewer of body/3.png; 171 of body/3.png")


def test_generated_arrays(tmp_path):
    folder = write_arrays(tmp_path)
    report, found = rows(tmp_path)
    assert found["read from"].found == "generated npy arrays: clips='actions' only"
    assert found["arrays"].found == "36 of 36"
    # Three characters are not enough even for a sample.
    assert found["characters"].status == "missing" and not report.usable
    assert "holds character" in found["characters"].remedy
    (folder / "walk_left_frames_test.npy").unlink()
    _, found = rows(tmp_path)
    assert found["arrays"].found == "35 of 36; missing npy/walk_left_frames_test.npy"
    assert found["arrays"].status == "missing" and "characters" not in found


def test_generated_frames(tmp_path):
    write_frames(tmp_path, [884])
    report, found = rows(tmp_path)
    assert report.usable and found["frames"].found == "72" and found["frames"].status == "warn"
    assert found["32 frames, decoded"].status == "ok"
    (tmp_path / "frames/slash/right_4032_7.png").write_bytes(b"")
    for path in (tmp_path / "frames/walk").iterdir():
        path.write_bytes(b"")
    report, found = rows(tmp_path)
    assert not report.usable and "walk/front_4032_0.png no picture" in (
        found["32 frames, decoded"].found
    )


def test_nothing_there_and_the_look_alike(tmp_path, sprite_sheets):
    report, found = rows(tmp_path / "none")
    assert not report.usable and "github.com/YingzhenLi/Sprites" in found["folder"].remedy
    (tmp_path / "lpc-dataset").mkdir()
    (tmp_path / "lpc-dataset" / "1.sprite").write_bytes(b"PK")
    report, found = rows(tmp_path)
    assert not report.usable
    assert found["lpc-dataset"].status == "missing"
    assert found["lpc-dataset"].found == "1 .sprite files, as lpc-dataset/1.sprite"
    assert found["files"].status == "missing"
    shutil.copytree(sprite_sheets, tmp_path / "sheets")
    report, found = rows(tmp_path)
    assert found["lpc-dataset"].status == "warn"
    assert found["genuine"].found == "sheets/standin.json marks stand-in sheets"
    assert not report.usable
