"""The studio's page in a real browser, with a real mouse: Chromium without a window.

Skipped where there is no browser to be found, outside CI.
"""

import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.photographs import MOST_BYTES, SIZE, smaller
from benchmarks.studio.screenshot import screenshot
from tests.benchmarks.open_browser import PATIENCE, StudioWindow
from tests.benchmarks.open_studio import Served, session, small_generator, small_plane
from tests.particle_painter import ParticlePainter


def white():
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "white").save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def served():
    made = Served(session())
    yield made
    made.end()


@pytest.fixture
def page(browser, served):
    opened = StudioWindow(browser, served.address)
    yield opened
    opened.window.close()


def test_a_mouse_drags_a_particle_and_what_is_far_stays(page, served):
    before = page.pixels()
    page.drag(2, 0.2, 0.0)
    after = page.pixels()
    changed = (before != after).any(-1)
    # The disc of particle 2 stands below the middle, and goes from there to the right.
    near = np.zeros((32, 32), bool)
    near[18:31, 11:26] = True
    assert changed[near].sum() > 20 and not changed[~near].any()
    (edit,) = page.state()
    assert (edit["edit"], edit["particle"]) == ("place", 2)
    assert edit["x"] == pytest.approx(0.04 + 0.4, abs=0.02)
    page.press("Undo")
    assert (page.pixels() == before).all()
    page.press("Redo")
    assert (page.pixels() == after).all()
    page.press("Reset")
    assert (page.pixels() == before).all()
    assert page.wrong == []
    own = served.address
    assert all(url.startswith((own, own.replace("http", "ws"), "data:")) for url in page.asked)
    assert len([url for url in page.asked if url.startswith(own)]) >= 10


def test_a_finger_drags_a_particle(browser, served):
    page = StudioWindow(browser, served.address, size=(390, 780), has_touch=True)
    before = page.pixels()
    x, y = page.handle(2)
    finger = page.window.context.new_cdp_session(page.window)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        *(("touchMove", [{"x": x + step, "y": y}]) for step in (20, 40, 60)),
        ("touchEnd", []),
    ):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert (page.pixels() != before).any()
    side = page.window.locator("#picture").bounding_box()["width"]
    (edit,) = page.state()
    assert edit["x"] == pytest.approx(0.04 + 2 * 60 / side, abs=0.02) and page.wrong == []
    assert page.fits()
    page.close()


def test_states_that_come_too_fast_are_dropped_but_for_the_last(page):
    asked = page.window.evaluate("studio.link.asked")
    frames = page.window.evaluate(
        "Promise.all(Array.from({ length: 50 }, (_, step) => studio.link.decode("
        "[{ edit: 'place', particle: 2, x: step / 50, y: 0 }]).then((frame) =>"
        "frame && frame.facts.position[2][0])))"
    )
    painted = [x for x in frames if x is not None]
    assert painted == [0.0, 0.98] and page.window.evaluate("studio.link.asked") == asked + 2


def test_a_picture_is_dropped_and_compared(page):
    before = page.pixels()
    page.window.evaluate(
        "(bytes) => { const files = new DataTransfer();"
        "files.items.add(new File([new Uint8Array(bytes)], 'white.png', { type: 'image/png' }));"
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true,"
        "cancelable: true })); }",
        list(white()),
    )
    page.wait("document.getElementById('pictures').innerText.includes('white.png')")
    start = page.pixels()
    assert (start != before).any()
    page.drag(2, 0.2, 0.0)
    assert (page.pixels() != start).any()
    cover = page.window.locator("#before")
    assert not cover.is_visible()
    page.press("Before")
    kept = page.window.evaluate(
        "Array.from(document.getElementById('before').getContext('2d')"
        ".getImageData(0, 0, 32, 32).data)"
    )
    assert cover.is_visible() and (np.array(kept).reshape(32, 32, 4)[..., :3] == start).all()
    page.press("Off")
    assert not cover.is_visible() and page.wrong == []


def test_keys_move_hide_and_paste(page):
    start = page.pixels()
    page.window.get_by_role("button", name="particle 0", exact=True).focus()
    page.window.keyboard.press("ArrowRight")
    page.settled()
    assert page.state()[0]["x"] == pytest.approx(-0.5 + 0.1 * 100 / 255 + 0.02, abs=1e-3)
    page.window.keyboard.press("Control+c")
    page.window.get_by_role("button", name="particle 1", exact=True).focus()
    page.window.keyboard.press("Control+v")
    page.settled()
    assert page.state()[-1] == {"edit": "paste", "particle": 1, "source": 0}
    page.window.keyboard.press("Delete")
    hidden = page.pixels()
    assert page.state()[-1] == {"edit": "remove", "particle": 1}
    page.press("Show")
    page.settled()
    assert [edit["edit"] for edit in page.state()] == ["place", "paste"]
    assert (page.pixels() != hidden).any()
    for _ in range(4):
        page.window.keyboard.press("Control+z")
        page.settled()
    assert (page.pixels() == start).all() and page.wrong == []


def test_a_slider_recolours_and_files_say_so(page):
    page.window.get_by_role("button", name="particle 0", exact=True).click()
    slider = page.window.get_by_label("feature 2")
    slider.focus()
    slider.press("End")
    page.settled()
    (edit,) = page.state()
    assert edit["edit"] == "recolour" and edit["value"] > 1
    with page.window.expect_download() as saved:
        page.press("Save edits")
    assert '"dimension": 2' in Path(saved.value.path()).read_text()
    with page.window.expect_download() as saved:
        page.press("Save PNG")
    with Image.open(saved.value.path()) as picture:
        assert (np.asarray(picture.convert("RGB")) == page.pixels()).all()
    with page.window.expect_download() as saved:
        page.press("Save video")
    assert saved.value.suggested_filename == "film.mp4" and page.wrong == []


def test_a_broken_picture_is_refused_in_plain_words(page):
    before = page.pixels()
    page.choose_file("cat.png", b"\x89PNG\r\n")
    page.window.locator("#notice").wait_for()
    assert "This file is no picture that can be read here" in page.notice
    assert (page.pixels() == before).all()
    page.choose_file("new.png", white())
    page.wait("document.getElementById('pictures').innerText.includes('new.png')")
    page.settled()
    assert (page.pixels() != before).any()
    # The browser itself reports the refused request; nothing else went wrong.
    assert all("400" in words for words in page.wrong)


def test_a_second_window_asks_and_takes_over(page, browser, served):
    second = StudioWindow(browser, served.address, ready=False)
    second.window.locator("#notice").wait_for()
    assert "open in another window" in second.notice
    second.press("Work here")
    second.wait("document.documentElement.dataset.ready === 'true'")
    page.wait("!document.getElementById('notice').hidden")
    assert "Another window has taken the studio over" in page.notice
    second.window.close()
    assert page.wrong + second.wrong == []


def test_a_lost_connection_is_said_and_found_again(page, served):
    page.drag(2, 0.1, 0.0)
    moved = page.pixels()
    served.cut()
    page.wait("document.getElementById('notice').innerText.includes('is lost')")
    page.wait("document.getElementById('notice').hidden")
    assert (page.pixels() == moved).all() and len(page.state()) == 1
    served.end()
    page.wait("document.getElementById('notice').innerText.includes('was ended')")


def test_the_background_of_a_second_picture_is_taken(page):
    page.open(7)
    page.press("background")
    page.press("Looks of the second")
    page.settled()
    (edit,) = page.state()
    assert edit["picture"] == "other" and page.wrong == []
    page.window.get_by_label("to the second picture").press("End")
    page.settled()
    assert page.state()[-1] == {"edit": "interpolate", "share": 1}


def test_two_faces_are_swapped_under_the_grid(browser):
    served = Served(session(small_generator(), size=16))
    page = StudioWindow(browser, served.address)
    before = page.pixels()
    path = page.window.locator("svg.grid path.over")
    exact = path.get_attribute("d")
    page.press("Averaged")
    assert exact.startswith("M") and path.get_attribute("d") not in ("", exact)
    page.open(6)
    page.press("Swap geometry")
    swapped = page.pixels()
    assert page.state()["geometry"] == 1 and (swapped != before).any()
    (first, *_) = page.window.evaluate("studio.about.desk.order.where")
    slider = page.window.get_by_label(f"number {first}", exact=True).first
    slider.focus()
    slider.press("Home")
    assert (page.pixels() != swapped).any()
    assert list(page.state()["where"]) == [str(first)]
    page.press("Reset")
    assert (page.pixels() == before).all() and page.wrong == []
    page.window.close()
    served.end()


def test_a_place_on_the_plane_is_kept_for_another_picture(browser):
    served = Served(session(small_plane(), size=16))
    page = StudioWindow(browser, served.address)
    before = page.pixels()
    box = page.window.locator("#pad").bounding_box()
    page.window.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    moved = page.pixels()
    low, high = page.window.evaluate("studio.desk.desk.spans")[0]
    place = page.state()["where"]
    first = page.window.evaluate("studio.desk.desk.pair[0]")
    assert place[first] == pytest.approx(low + 0.9 * (high - low), abs=0.01 * (high - low))
    assert (moved != before).any()
    page.window.keyboard.press("ArrowLeft")
    page.settled()
    assert page.state()["where"][first] < place[first]
    page.press("Undo")
    assert (page.pixels() == moved).all()
    page.open(6, "Picture")
    page.settled()
    assert page.state()["where"] == pytest.approx(place, abs=1e-3) and page.wrong == []
    page.window.close()
    served.end()


def test_what_the_method_cannot_do_is_greyed_out_with_the_reason(browser):
    served = Served(session(ParticlePainter(presence=False, fixed=True)))
    page = StudioWindow(browser, served.address)
    page.window.get_by_role("button", name="particle 0", exact=True).click()
    hide = page.window.get_by_role("button", name="Hide", exact=True)
    assert hide.is_disabled() and "paints 3 particles" in hide.get_attribute("title")
    assert page.window.get_by_label("presence").count() == 0 and page.wrong == []
    page.window.close()
    served.end()


def test_a_picture_of_the_page_is_taken(tmp_path, browser):
    # On another thread, for Playwright's other interface has a loop running on this one.
    work = threading.Thread(target=screenshot, args=[session(), tmp_path / "studio.png"])
    work.start()
    work.join(PATIENCE / 1000)
    with Image.open(tmp_path / "studio.png") as seen:
        assert seen.size == SIZE and len(seen.convert("RGB").getcolors(2**24)) > 200
    assert (tmp_path / "studio.png").stat().st_size < MOST_BYTES


def test_a_large_picture_gets_coarser_colours():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, format="PNG")
    content = stream.getvalue()
    assert smaller(content, limit=len(content)) == content
    for limit, wrong in ((0.8 * len(content), 4), (1, 8)):
        few = smaller(content, limit=int(limit))
        assert len(few) < 0.8 * len(content)
        with Image.open(io.BytesIO(few)) as image:
            apart = abs(np.asarray(image, int) - noise)
        assert 0 < apart.max() <= wrong and (apart[noise == 255] == 0).all()
