"""The page and the picture of `report`: what a person sees and does, in a real browser; and what it is made of.

The browser is Debian's `chromium`, driven by Playwright; where either is missing, these tests say so and are skipped.
"""

import io
import json
import re
import shutil
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolog_cli.errors import InputError, RecordError
from audiolog_cli.records import Cell, End, Failure
from audiolog_cli.report.audio_strip import N_BANDS, band_weights, opus, strip
from audiolog_cli.report.figure import picture
from audiolog_cli.report.log import as_html, logs
from audiolog_cli.report.packing import pack
from audiolog_cli.report.page import Part, asset, page
from audiolog_cli.report.summary import hour_edges, hours_table, moment, totals_table
from audiolog_cli.report.timeline import ClockPoint, LabelTrack, Timeline, recordings
from audiolog_cli.sound.audio import decode
from tests.conftest import write_wav
from tests.shell import audiolog, sh

HEADER = "filename\tonset\toffset\tkind\tlabel\tscore"
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;"

# 20 s: a park, then a street; a dog at 2-4 s and 12-13 s, a car at 10-16 s; it began at 23:59:50.
CELLS = [
    line
    for second in range(20)
    for line in (
        f"walk.wav\t{second}.000\t{second + 1}.000\tscene\t{'park' if second < 10 else 'street'}\t0.900",
        *([f"walk.wav\t{second}.000\t{second + 1}.000\tevent\tdog\t0.{60 + second}0"] if second in (2, 3, 12) else []),
        *([f"walk.wav\t{second}.000\t{second + 1}.000\tevent\tcar\t0.800"] if 10 <= second < 16 else []),
    )
]
LOG = "# Walk\n\nA dog barks from 0:02 to 0:04.\n- A **car** passes at 10 seconds for 6 s.\n"


def with_time(lines: list[str]) -> list[str]:
    """The same cells, with the clock's time: from 23:59:50 over midnight."""
    clock = {
        second: f"2026-11-2{2 if second < 10 else 3}T{'23:59:5' if second < 10 else '00:00:0'}{second % 10}.000+01:00"
        for second in range(20)
    }
    return [f"{line}\t{clock[int(float(line.split(chr(9))[1]))]}" for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cells, with and without clock, the log, and a recording of as many seconds."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "cells.tsv").write_text("\n".join([HEADER, *CELLS]) + "\n")
    (folder / "clock.tsv").write_text("\n".join([HEADER + "\ttime", *with_time(CELLS)]) + "\n")
    (folder / "log.md").write_text(LOG)
    write_wav(folder / "walk.wav", 20.0)
    hostile = [line.replace("walk.wav", f"a{HOSTILE}.wav").replace("dog", HOSTILE).replace("park", HOSTILE) for line in CELLS]
    (folder / "hostile.tsv").write_text("\n".join([HEADER, *hostile]) + "\n")
    (folder / "hostile.md").write_text(f"At 0:05 {HOSTILE}\n- {HOSTILE}\n")
    return folder


# In the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium here; Debian's package of this name brings it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page in the browser, with its requests and complaints."""

    def __init__(self, browser: Any, path: Path, scheme: str = "light") -> None:
        self.page = browser.new_page(viewport={"width": 1300, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.wait("document.querySelector('.plot canvas').width > 300")

    def wait(self, expression: str) -> None:
        """Until an expression holds, ten seconds at most (Playwright's own waiting needs `eval`, which the page forbids)."""
        for _ in range(200):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never came true: {expression}; the window is {self.window()}")

    def close(self) -> None:
        """Every visit must end without complaints, and without requests for anything but the page and its own sound."""
        self.page.wait_for_timeout(50)
        self.page.close()
        assert self.complaints == []
        assert [url for url in self.requests[1:] if not url.startswith(("data:", "file:"))] == []

    def place(self, seconds: float, lane: str, duration: float = 20.0) -> tuple[float, float]:
        """The point on the screen of a time in a lane, while the whole recording is shown."""
        box = self.page.locator(".plot").bounding_box()
        name = self.page.locator(".names li", has_text=lane).first.bounding_box()
        return box["x"] + box["width"] * seconds / duration, name["y"] + name["height"] / 2

    def tip(self) -> list[str]:
        return self.page.locator(".tip > *").all_text_contents()

    def window(self) -> str:
        text: str = self.page.locator(".window").text_content()
        return text


@pytest.fixture(scope="module")
def made(folder: Path) -> Path:
    """The page with everything on it."""
    assert audiolog("report clock.tsv --audio walk.wav --log log.md -o walk.html", folder) == (0, "", "")
    return folder / "walk.html"


@pytest.fixture
def visit(browser: Any, made: Path) -> Iterator[Visit]:
    visit = Visit(browser, made)
    yield visit
    visit.close()


def test_a_tooltip_says_label_score_and_both_times(visit: Visit) -> None:
    visit.page.mouse.move(*visit.place(3.5, "dog"))
    assert visit.tip() == ["dog  0.63", "23:59:52–23:59:54 +01:00", "0:02–0:04 into the recording"]
    visit.page.mouse.move(*visit.place(15.0, "Scene"))
    assert visit.tip() == ["street  0.90", "00:00:00–00:00:10 +01:00", "0:10–0:20 into the recording"]
    visit.page.mouse.move(*visit.place(7.0, "dog"))
    assert visit.tip()[:2] == ["dog", "not heard here"]
    visit.page.mouse.move(5, 5)
    assert visit.page.locator(".tip").is_hidden()


def test_lanes_are_drawn_where_the_cells_are(visit: Visit) -> None:
    """The pixels of the canvas: blue-green in a cell, the more the higher its score; empty beside it."""
    alpha = """([x, y]) => {
        const canvas = document.querySelector('.plot canvas');
        const scale = canvas.width / canvas.clientWidth, box = canvas.getBoundingClientRect();
        return canvas.getContext('2d').getImageData((x - box.left) * scale, (y - box.top) * scale, 1, 1).data[3];
    }"""
    shown = {second: visit.page.evaluate(alpha, visit.place(second, "dog")) for second in (1.5, 2.5, 3.5, 12.5)}
    assert shown[1.5] == 0
    assert 0.6 * 255 < shown[2.5] < shown[3.5] < shown[12.5]
    visit.complaints.clear()  # the browser's advice to us, who read pixels back


def test_a_click_seeks_and_plays(visit: Visit) -> None:
    visit.page.mouse.click(*visit.place(12.0, "car"))
    visit.wait("document.querySelector('audio').currentTime > 12.1 && !document.querySelector('audio').paused")
    assert visit.page.locator(".playhead").is_visible()
    visit.page.keyboard.press("Space")
    visit.wait("document.querySelector('audio').paused")


def test_the_embedded_sound_is_all_there(visit: Visit) -> None:
    visit.wait("document.querySelector('audio').readyState > 0")
    assert visit.page.evaluate("document.querySelector('audio').duration") == pytest.approx(20.0, abs=0.03)
    assert visit.page.evaluate("document.querySelector('audio').src.slice(0, 22)") == "data:audio/ogg;base64,"


def test_wheel_drag_and_buttons_zoom_and_move(visit: Visit) -> None:
    assert visit.window() == "2026-11-22 23:59:50 – 2026-11-23 00:00:10"
    visit.page.mouse.move(*visit.place(10.0, "car"))
    visit.page.mouse.wheel(0, -300)  # e^(-300 / 500) of 20 s is 11 s
    visit.wait("document.querySelector('.window').textContent.includes('23:59:55')")
    assert visit.window() == "2026-11-22 23:59:55 – 2026-11-23 00:00:05"
    assert visit.page.locator(".brush").is_visible()
    x, y = visit.place(10.0, "car")
    visit.page.mouse.down()
    visit.page.mouse.move(x + 2000, y, steps=4)
    visit.page.mouse.up()
    visit.wait("document.querySelector('.window').textContent === '2026-11-22 23:59:50 – 2026-11-23 00:00:01'")
    assert visit.page.evaluate("document.querySelector('audio').paused")  # to drag is not to click
    visit.page.get_by_title("Show the whole recording").click()
    visit.wait("document.querySelector('.window').textContent.endsWith('00:00:10')")


def test_filters_take_lanes_away_and_bring_them_back(visit: Visit) -> None:
    names = visit.page.locator(".names button")
    assert names.all_text_contents() == ["car", "dog"]
    visit.page.locator(".filter summary").click()
    visit.page.get_by_label("Find a label").fill("DO")
    visit.page.locator(".panel").get_by_role("button", name="None").click()
    assert names.all_text_contents() == ["car"]
    assert visit.page.locator(".filter-count").text_content() == "1 of 2 sounds"
    visit.page.get_by_label("Find a label").fill("")
    visit.page.get_by_role("checkbox", name="dog").check()
    assert names.all_text_contents() == ["car", "dog"]


def test_scores_below_the_least_are_not_shown(visit: Visit) -> None:
    visit.page.locator(".least").fill("70")
    visit.page.mouse.move(*visit.place(3.5, "dog"))
    assert visit.tip()[:2] == ["dog", "not heard here"]
    visit.page.mouse.move(*visit.place(12.5, "dog"))
    assert visit.tip()[0] == "dog  0.72"


def test_everything_works_from_the_keyboard_and_is_announced(visit: Visit) -> None:
    visit.page.locator(".plot").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "n"):  # scene, loudness, spectrogram, car, dog
        visit.page.keyboard.press(key)
    said = visit.page.locator(".spoken")
    assert said.text_content() == "dog  0.62, 23:59:52–23:59:54 +01:00, 0:02–0:04 into the recording"
    visit.page.keyboard.press("n")
    assert said.text_content().startswith("dog  0.72, 00:00:02–00:00:03 +01:00")
    visit.page.keyboard.press("p")
    visit.page.keyboard.press("ArrowUp")
    assert said.text_content().startswith("car, not heard here")
    visit.page.keyboard.press("+")
    visit.wait("!document.querySelector('.brush').hidden")
    visit.page.keyboard.press("0")
    visit.wait("document.querySelector('.brush').hidden")


def test_times_in_the_log_lead_to_the_timeline(visit: Visit) -> None:
    visit.page.locator(".log a", has_text="0:02 to 0:04").click()
    mark, plot = (visit.page.locator(selector).bounding_box() for selector in (".mark", ".plot"))
    assert (mark["x"] - plot["x"]) / plot["width"] == pytest.approx(0.1, abs=0.005)
    assert mark["width"] / plot["width"] == pytest.approx(0.1, abs=0.01)
    assert visit.page.evaluate("document.querySelector('audio').currentTime") == 2


def test_what_is_shown_is_also_a_table(visit: Visit) -> None:
    visit.page.locator(".view summary").click()
    rows = visit.page.locator(".view tbody tr")
    visit.wait("document.querySelectorAll('.view tbody tr').length === 5")
    assert [row.split("\t") for row in rows.all_inner_texts()] == [
        ["23:59:50", "00:00:00", "park", "0.90"],
        ["23:59:52", "23:59:54", "dog", "0.63"],
        ["00:00:00", "00:00:06", "car", "0.80"],
        ["00:00:00", "00:00:10", "street", "0.90"],
        ["00:00:02", "00:00:03", "dog", "0.72"],
    ]


def test_dark_and_light_follow_the_system_and_paper_is_light(browser: Any, made: Path) -> None:
    visit = Visit(browser, made, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = visit.page.evaluate(background)
    visit.page.emulate_media(color_scheme="light")
    light = visit.page.evaluate(background)
    assert sum(map(int, re.findall(r"\d+", dark))) < 100 < 600 < sum(map(int, re.findall(r"\d+", light)))
    visit.page.emulate_media(color_scheme="dark", media="print")
    assert visit.page.evaluate(background) == "rgb(255, 255, 255)"
    assert visit.page.locator(".tools").is_hidden() and visit.page.locator(".log").is_visible()
    assert visit.page.pdf().startswith(b"%PDF")
    visit.close()


def test_names_and_labels_from_files_are_only_text(browser: Any, folder: Path) -> None:
    assert audiolog("report hostile.tsv --log hostile.md -o hostile.html", folder) == (0, "", "")
    visit = Visit(browser, folder / "hostile.html")
    assert visit.page.locator("h1").text_content() == f"a{HOSTILE}.wav".split("/")[-1]
    assert visit.page.locator("h1").get_attribute("title") == f"a{HOSTILE}.wav"
    assert visit.page.locator(".names button").all_text_contents() == ["car", HOSTILE]
    assert visit.page.locator(".totals tbody th").all_text_contents() == ["Scenes", HOSTILE, "street", "Sounds", "car", HOSTILE]
    assert visit.page.locator(".log li").text_content() == HOSTILE
    visit.page.mouse.move(*visit.place(3.5, HOSTILE))
    assert visit.tip()[0] == f"{HOSTILE}  0.63"
    assert visit.page.locator("img").count() == 0
    visit.page.locator("h1").evaluate("element => element.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
    visit.page.wait_for_timeout(100)  # even if something got in, the policy lets no script of it run and nothing be fetched
    assert all("Content Security Policy" in complaint for complaint in visit.complaints) and visit.complaints
    visit.complaints.clear()
    visit.close()


def test_several_recordings_have_a_selector(browser: Any, folder: Path) -> None:
    line = "{ cat cells.tsv; sed s/walk/ride/g cells.tsv; } | audiolog report --audio ./walk.wav -o two.html"
    assert sh(line, folder) == (0, "", "")
    visit = Visit(browser, folder / "two.html")
    assert visit.page.locator("h1:visible").all_text_contents() == ["walk.wav"]
    assert visit.page.locator("audio:visible").count() == 1
    visit.page.get_by_label("Recording").select_option("ride.wav")
    assert visit.page.locator("h1:visible").all_text_contents() == ["ride.wav"]
    assert visit.page.locator("audio:visible").count() == 0
    visit.page.mouse.move(5, 5)
    assert visit.page.locator(".window:visible").text_content() == "0:00 – 0:20"
    visit.close()


def test_a_day_has_an_overview_by_hours_that_leads_into_it(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "day.html").write_text(page([Part(a_day(n_labels=40))]))
    visit = Visit(browser, tmp_path / "day.html")
    columns = visit.page.locator(".hours thead a")
    assert columns.all_text_contents()[:3] == ["06:30", "07:00", "08:00"] and columns.count() == 25
    visit.page.locator(".hours thead a", has_text="08:00").click()
    visit.wait("document.querySelector('.window').textContent === '08:00:00 – 09:00:00'")
    assert visit.page.locator(".names button").count() == 40
    visit.close()


def test_what_was_not_analysed_is_hatched_and_named(browser: Any, folder: Path) -> None:
    assert sh("grep -v -P '\\t(5|6)\\.000\\t.*scene' cells.tsv | audiolog report -o gap.html", folder) == (0, "", "")
    visit = Visit(browser, folder / "gap.html")
    visit.page.mouse.move(*visit.place(6.5, "dog"))
    assert visit.tip()[0] == "not analysed"
    visit.page.mouse.move(*visit.place(7.5, "dog"))
    assert visit.tip()[:2] == ["dog", "not heard here"]
    visit.close()


def test_a_long_recording_is_linked_and_played_from_beside_the_page(browser: Any, folder: Path) -> None:
    (folder / "pages").mkdir(exist_ok=True)
    shutil.copy(folder / "walk.wav", folder / "a walk #1.wav")
    assert audiolog("report cells.tsv --audio 'a walk #1.wav' --embed 10 -o pages/linked.html", folder) == (0, "", "")
    text = (folder / "pages" / "linked.html").read_text()
    assert 'src="../a%20walk%20%231.wav"' in text and '"picture":""' in text
    visit = Visit(browser, folder / "pages" / "linked.html")
    visit.wait("document.querySelector('audio').duration === 20")
    visit.close()


cells_of_tracks = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 1000, 3000, 7, 123_456]), st.sampled_from([1000, 1000, 1000, 437]), st.integers(0, 100)),
    max_size=40,
)


def track_of(cells: list[tuple[int, int, int]], label: str = "dog") -> LabelTrack:
    """A track from (pause before, length, score) of each cell."""
    track, time = LabelTrack("event", label), 0
    for pause, length, score in cells:
        track.onsets.append(time + pause)
        time += pause + length
        track.offsets.append(time)
        track.scores.append(score)
    return track


def test_the_scripts_read_what_was_packed(browser: Any) -> None:
    """Every track comes out of `unpack` as it went into `pack`."""
    sheet = browser.new_page()
    sheet.add_script_tag(content=asset("data.js"))

    @settings(max_examples=40, deadline=None)
    @given(cells_of_tracks)
    def check(cells: list[tuple[int, int, int]]) -> None:
        track = track_of(cells)
        read = "cells => { const t = unpack({cells}, 1000); return [[...t.onsets], [...t.offsets], [...t.scores]]; }"
        assert sheet.evaluate(read, pack(track, 1000)) == [list(track.onsets), list(track.offsets), list(track.scores)]

    check()
    sheet.close()


def test_the_scripts_tell_times_as_people_do(browser: Any) -> None:
    sheet = browser.new_page()
    sheet.add_script_tag(content=asset("time.js"))
    assert sheet.evaluate("[5000, 65500, 3600000, 59999.9].map((ms) => elapsed(ms))") == ["0:05", "1:05.5", "1:00:00", "1:00.0"]
    assert sheet.evaluate("ticks([], 0, 60000, 14000).map((tick) => tick.text)") == ["0:00", "0:15", "0:30", "0:45", "1:00"]
    summer_ends = [[0, 1_792_889_999_000, "+02:00"], [1000, 1_792_886_400_000, "+01:00"]]  # 02:59:59, then 02:00:00 again
    assert sheet.evaluate("(clock) => [0, 1000].map((ms) => clockTime(clock, ms))", summer_ends) == ["00:59:59", "00:00:00"]
    days = [[point.onset, point.wall, point.zone] for point in NIGHT.clock]
    told = "(clock) => ticks(clock, 0, 108e6, 2e7).map((tick) => tick.text)"
    assert sheet.evaluate(told, days) == ["2026-10-25", "06:00", "12:00", "18:00", "2026-10-26"]
    assert sheet.evaluate("ticks([], 0, 31536e6, 2e9).map((tick) => tick.at / 6048e5)") == list(range(0, 53, 4))
    sheet.close()


# What the page is made of


def test_cells_become_a_track_for_each_label() -> None:
    cells = [
        Cell("a.wav", 0.0, 1.0, "scene", "park", 0.9),
        Cell("a.wav", 0.0, 1.0, "event", "dog", 0.504),
        Cell("b.wav", 0.0, 0.5, "event", "dog", 1.0),
        Cell("a.wav", 1.0, 1.4, "event", "dog", 0.7),
        End("a.wav", 3.25, 3, "everyday", "0.1.0"),
        Failure("c.wav", "c.wav: no such file"),
    ]
    a, b, c = recordings(cells)
    assert (a.filename, a.duration, a.cell) == ("a.wav", 3250, 1000)
    assert a.scenes == [LabelTrack("scene", "park", array("q", [0]), array("q", [1000]), bytearray([90]))]
    assert a.events == [LabelTrack("event", "dog", array("q", [0, 1000]), array("q", [1000, 1400]), bytearray([50, 70]))]
    assert list(a.events[0].stretches()) == [(0, 1400, 70)]
    assert (b.duration, b.cell) == (500, 500)
    assert c.is_empty and c.failure == "c.wav: no such file"


def test_overlapping_cells_of_one_label_are_cut() -> None:
    cells = [Cell("a", onset, offset, "event", "dog", 1.0) for onset, offset in ((4, 6), (0, 3), (2, 5), (1, 2))]
    (recording,) = recordings(cells)
    (dog,) = recording.events
    assert list(zip(dog.onsets, dog.offsets, strict=True)) == [(0, 3000), (3000, 5000), (5000, 6000)]


def test_the_clock_is_noted_again_where_its_zone_changes() -> None:
    times = ["2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:00:01+01:00"]
    (recording,) = recordings(Cell("a", i, i + 1.0, "scene", "park", 1.0, time) for i, time in enumerate(times))
    assert [(point.onset, point.zone) for point in recording.clock] == [(0, "+02:00"), (1000, "+01:00")]
    assert [moment(recording, ms) for ms in (0, 999, 1000)] == ["02:59:59", "02:59:59", "02:00:00"]


def test_the_zone_of_a_time_is_known_however_other_programs_write_it() -> None:
    """DuckDB writes `2026-10-25 02:59:59+02`: without its zone the clock would not go back in autumn."""
    times = ["2026-10-25 02:59:59+02", "2026-10-25 02:00:00+01", "20261025T020001+0100"]
    (recording,) = recordings(Cell("a", i, i + 1.0, "scene", "park", 1.0, time) for i, time in enumerate(times))
    assert [(point.onset, point.zone) for point in recording.clock] == [(0, "+02:00"), (1000, "+01:00")]


def a_day(n_labels: int, active: float = 0.02) -> Timeline:
    """24 h of cells at random, begun at 06:30."""
    random = np.random.default_rng(0)
    recording = Timeline("day.wav", 86_400_000, 1000, [ClockPoint(0, 1_795_329_000_000, "+01:00")])
    for number in range(n_labels):
        seconds = np.flatnonzero(random.random(86_400) < active)
        onsets, offsets = array("q", (seconds * 1000).tolist()), array("q", (seconds * 1000 + 1000).tolist())
        recording.events.append(
            LabelTrack("event", f"label {number}", onsets, offsets, bytearray(random.integers(50, 101, len(seconds)).tolist()))
        )
    return recording


def test_a_day_of_forty_labels_stays_small_even_if_every_cell_is_a_coin_toss() -> None:
    assert len(page([Part(a_day(40, active=0.5))])) < 5_000_000


def test_shares_are_of_the_time_that_was_analysed() -> None:
    """Three hours with the second not analysed: an hour in which nothing was recorded is not a quiet one."""
    hour, rain = 3_600_000, LabelTrack("event", "rain", array("q", [0]), array("q", [3_600_000]), bytearray([90]))
    park = LabelTrack("scene", "park", array("q", [0, 2 * hour]), array("q", [hour, 3 * hour]), bytearray([90, 90]))
    day = Timeline("day.wav", 3 * hour, scenes=[park], events=[rain])
    assert ">100.0%</td>" in totals_table(day) and ">50.0%</td>" in totals_table(day)
    assert hours_table(day).count('<td title="not analysed">–</td>') == 2 * sum(
        hour <= edge < 2 * hour for edge in hour_edges(day)
    )


def test_hours_are_full_hours_of_the_clock_and_shares_add_up() -> None:
    day = a_day(1, active=1.0)
    edges = hour_edges(day)
    assert edges[:3] == [0, 1_800_000, 5_400_000] and edges[-1] == 86_400_000
    assert hours_table(day).count(">100</td>") == 25
    week = Timeline("week.wav", 7 * 86_400_000)
    assert {end - start for start, end in zip(hour_edges(week), hour_edges(week)[1:], strict=False)} == {12 * 3_600_000}


def test_a_picture_of_a_day_shows_every_short_sound() -> None:
    """One cell of a second in 24 h beside many others, which make the lanes images: its column is not empty."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; the extra `metrics` brings it")
    import matplotlib.image

    day = a_day(1, active=0.5)
    day.events.append(LabelTrack("event", "bell", array("q", [43_200_000]), array("q", [43_201_000]), bytearray([100])))
    pixels = matplotlib.image.imread(io.BytesIO(picture([day], "png")))
    heights = np.flatnonzero((pixels[..., 2] - pixels[..., 0] > 0.08).any(axis=1))  # blue-green
    lanes = np.split(heights, np.flatnonzero(np.diff(heights) > 5) + 1)
    assert len(lanes) == 2 and (pixels[lanes[1]][..., 2] - pixels[lanes[1]][..., 0] > 0.08).any(axis=0).sum() in (1, 2, 3)


def test_a_log_is_escaped_and_its_times_are_links() -> None:
    recording = Timeline("a", 20_000)
    assert as_html("## Walk\n- <b> from 5 to 12 seconds\n  at 0:30 **late**\n", recording).splitlines() == [
        "<h4>Walk</h4>",
        "<ul>",
        '<li>&lt;b&gt; from <a href="#t=5.000,12.000">5 to 12 seconds</a></li>',
        "</ul>",
        '<p class="inner">at 0:30 <strong>late</strong></p>',  # not in a recording of 20 s: no link
    ]
    recording.clock = [ClockPoint(0, 1_795_391_990_000, "Z")]  # 23:59:50
    assert '<a href="#t=12.000,12.000">00:00:02</a>' in as_html("A dog at 00:00:02.", recording)


NIGHT = Timeline(  # of 30 hours in which summer time ends: 20:00 to 03:00, then 02:00 to 01:00 of the day after
    "night.wav",
    30 * 3_600_000,
    clock=[ClockPoint(0, 1_792_872_000_000, "+02:00"), ClockPoint(25_200_000, 1_792_893_600_000, "+01:00")],
    scenes=[LabelTrack("scene", "park", array("q", [0]), array("q", [30 * 3_600_000]), bytearray([90]))],
)


def test_times_in_a_log_lead_to_where_the_clock_shows_them() -> None:
    """The zone of a time stamp was a link to minute 2, and what follows the end of summer time was an hour off."""
    text = "park (1 h, from 2026-10-25T02:00:00.000+01:00), dog at 23:00:00 and 03:30:00, owl on 2026-10-25T02:30:00.000+02:00"
    assert re.findall(r'<a href="#t=([0-9.]+),[0-9.]+">([^<]+)</a>', as_html(text, NIGHT)) == [
        ("25200.000", "2026-10-25T02:00:00.000+01:00"),
        ("10800.000", "23:00:00"),
        ("30600.000", "03:30:00"),
        ("23400.000", "2026-10-25T02:30:00.000+02:00"),
    ]
    assert "<a" not in as_html("from 2026-10-27T02:00:00.000+01:00, from 2026-02-30T02:00:00Z", NIGHT)
    assert "<a" not in as_html("from 2026-10-25T02:00:00.000+01:00", Timeline("a", 10_000))


def test_the_hours_of_several_days_are_full_hours_on_each_and_name_the_day() -> None:
    headings = re.findall(r'<th scope="col"><a[^>]*>([^<]*)</a>', hours_table(NIGHT))
    assert headings == ["20:00", "22:00", "10-25", "02:00", "02:00", *(f"{hour:02d}:00" for hour in range(4, 24, 2)), "10-26"]
    assert moment(NIGHT, 29 * 3_600_000) == "10-26 00:00:00"
    assert {end - start for start, end in pairwise(hour_edges(Timeline("year.wav", 357 * 86_400_000)))} == {21 * 86_400_000}


def test_logs_find_their_recordings() -> None:
    both = [Timeline("a.wav"), Timeline("b.wav")]
    assert logs("Log of a.wav\n\nA dog.\n\nLog of b.wav\n\nA car.\n", both, "x") == {"a.wav": "A dog.", "b.wav": "A car."}
    assert logs(json.dumps({"filename": "b.wav", "summary": "A car."}) + "\n", both, "x") == {"b.wav": "A car."}
    assert logs(json.dumps({"filename": "b.wav", "summary": "A\u2028car."}, ensure_ascii=False), both, "x") == {
        "b.wav": "A\u2028car."
    }
    assert logs("A dog.", both, "x") == {"a.wav": "A dog.", "b.wav": "A dog."}
    with pytest.raises(InputError, match=r"^log.md: a log of c.wav, but cells of a.wav, b.wav$"):
        logs("Log of c.wav\nA cow.\n", both, "log.md")
    with pytest.raises(InputError, match="^log.json:1: expected a log as text, or the JSON lines"):
        logs('{"filename": 1', both, "log.json")


def test_loudness_and_spectrogram_of_a_tone(tmp_path: Path) -> None:
    """Two seconds of 1 kHz at -20 dBFS RMS, then one of silence."""
    tone = np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 1000 * np.arange(64_000) / 32_000)
    path = write_samples(tmp_path / "tone.wav", np.concatenate([tone, np.zeros(32_000)]))
    seen = strip(path, with_picture=True)
    assert (seen.step, seen.picture_step, seen.duration, len(seen.levels)) == (20, 20, 3.0, 150)
    assert {level / 2 - 100 for level in seen.levels[:100]} == {-20} and set(seen.levels[100:]) == {0}
    picture = np.frombuffer(seen.picture, np.uint8).reshape(-1, N_BANDS)
    bins = band_weights().argmax(axis=0) * 32_000 / 1024
    assert abs(bins[picture[50].argmax()] - 1000) < 40
    assert picture[:100].max() == 255 and picture[101:].max() == 0
    assert strip(path, with_picture=False).picture == b""


def test_opus_keeps_length_and_place(tmp_path: Path) -> None:
    """A click at 1.5 s of 3 s is there after encoding and decoding."""
    samples = np.zeros(96_000)
    samples[48_000:48_032] = 0.9
    sound = opus(write_samples(tmp_path / "click.wav", samples))
    decoded = np.concatenate(list(decode(io.BytesIO(sound))))
    assert abs(len(decoded) - 96_000) <= 32 * 20 and abs(int(np.abs(decoded).argmax()) - 48_016) < 64


def write_samples(path: Path, samples: "np.ndarray[Any, np.dtype[np.float64]]") -> str:
    """A 16-bit WAV at 32 kHz."""
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(32_000)
        file.writeframes((samples * 32_768).round().clip(-32_768, 32_767).astype("<i2").tobytes())
    return str(path)


# The command


def test_the_page_goes_to_stdout_or_to_a_file(folder: Path) -> None:
    written = audiolog("report cells.tsv -o out.html", folder)
    assert written == (0, "", "")
    piped = sh("audiolog report < cells.tsv", folder)
    assert (piped.code, piped.stdout, piped.stderr) == (0, (folder / "out.html").read_text(), "")
    assert not list(folder.glob("*.unfinished"))


def test_a_pipe_is_written_to_and_a_link_is_followed(folder: Path) -> None:
    """What is not a regular file is never replaced: as root, `-o /dev/null` would remove it for everybody."""
    page = audiolog("report cells.tsv", folder).stdout
    through = sh("mkfifo pipe; cat pipe > read.html & audiolog report cells.tsv -o pipe && wait && test -p pipe", folder)
    assert (through.code, (folder / "read.html").read_text()) == (0, page)
    (folder / "link.html").symlink_to("real.html")
    assert audiolog("report cells.tsv -o link.html", folder).code == 0
    assert ((folder / "link.html").is_symlink(), (folder / "real.html").read_text()) == (True, page)


def test_a_log_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "latin.md").write_bytes(b"# walk.wav\n\ncaf\xe9\n")
    done = audiolog("report cells.tsv --log latin.md", folder)
    assert done == (1, "", "audiolog: latin.md: expected text in UTF-8, got other bytes; `iconv -t UTF-8` makes it so\n")


def test_the_page_names_no_other_place(folder: Path, made: Path) -> None:
    text = re.sub(r"data:audio/ogg;base64,[^\"]*", "", made.read_text())
    assert re.findall(r"(?:https?:)?//[\w.]+\.\w+", text) == []
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("report missing.tsv", 1, "missing.tsv: no such file"),
        ("report header.tsv", 1, "header.tsv: no cells, there is nothing to show"),
        (
            "report rows.tsv",
            1,
            "rows.tsv: expected cells (filename onset offset kind label score), got rows; `audiolog tag` writes cells",
        ),
        ("report cells.tsv --audio log.md", 1, "log.md: not a readable audio file"),
        (
            "report cells.tsv -o ./cells.tsv",
            2,
            "--output ./cells.tsv: is an input of this page, which would replace it; name another file",
        ),
        (
            "report cells.tsv --audio walk.wav -o walk.wav",
            2,
            "--output walk.wav: is an input of this page, which would replace it; name another file",
        ),
        ("report cells.tsv -o no/such/folder.html", 1, "no/such/folder.html: no such file"),
        (
            "report cells.tsv --audio -",
            2,
            "--audio -: the sound is read twice, to be seen and to be heard; give it as a file",
        ),
        (
            "report cells.tsv --audio other.wav --audio walk.wav",
            2,
            "--audio other.wav: no cells of a recording of this name; the cells are of walk.wav",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_line(line: str, code: int, message: str, folder: Path) -> None:
    (folder / "header.tsv").write_text(HEADER + "\n")
    (folder / "rows.tsv").write_text("filename\tonset\toffset\tscene\tevents\na.wav\t0\t1\tpark\t\n")
    assert audiolog(line, folder) == (code, "", f"audiolog: {message}\n")


def test_cells_and_log_cannot_both_come_from_stdin_and_a_name_with_a_dash_stays_as_it_is(folder: Path) -> None:
    twice = "audiolog: -: two inputs are to come from stdin, which can be read only once; give one as a file\n"
    assert audiolog("report --log -", folder, (folder / "cells.tsv").read_bytes()) == (2, "", twice)
    (folder / "my-empty-cells.tsv").write_text(HEADER + "\n")
    nothing = "audiolog: my-empty-cells.tsv: no cells, there is nothing to show\n"
    assert audiolog("report my-empty-cells.tsv", folder) == (1, "", nothing)


def test_an_unfinished_recording_is_shown_and_reported(folder: Path) -> None:
    records = audiolog("tag none.wav --format jsonl", folder).stdout
    lines = '{"filename":"a.wav","onset":0,"offset":1,"kind":"scene","label":"park","score":1}\n' + records
    result = audiolog("report -o failed.html", folder, lines.encode())
    assert result == (3, "", "audiolog: not finished: none.wav: no such file\n")
    assert "Not finished: none.wav: no such file" in (folder / "failed.html").read_text()


def test_damage_in_the_sound_is_reported_once(folder: Path) -> None:
    (folder / "cut.wav").write_bytes((folder / "walk.wav").read_bytes()[: 44 + 2 * 32_000 * 19])
    result = audiolog("report cells.tsv --audio cut.wav -o cut.html", folder)
    assert (
        result.code == 0 and result.stderr.startswith("audiolog: cut.wav: 19.000-20.000 s: ") and result.stderr.count("\n") == 1
    )
    assert audiolog("report cells.tsv --audio cut.wav -o cut.html --quiet", folder) == (0, "", "")


def test_a_recording_of_another_length_is_asked_about(folder: Path) -> None:
    write_wav(folder / "short.wav", 3.0)
    result = audiolog("report cells.tsv --audio short.wav -o short.html", folder)
    assert (result.code, result.stderr) == (
        0,
        "audiolog: short.wav: 3.000 s long, its cells end at 20.000 s; is it the same recording?\n",
    )


def test_a_name_that_is_not_utf8_is_shown_as_far_as_it_can_be(folder: Path) -> None:
    cells = (folder / "cells.tsv").read_bytes().replace(b"walk", b"caf\xe9")
    result = audiolog("report", folder, cells)
    assert result.code == 0 and '<h1 id="name-0">caf\ufffd.wav</h1>' in result.stdout


def test_a_page_is_named_after_the_recording_not_its_path(tmp_path: Path) -> None:
    cells = "filename\tonset\toffset\tkind\tlabel\tscore\nday/rec.wav\t0\t1\tscene\tpark\t0.9\n"
    page = audiolog("report", tmp_path, cells.encode()).stdout
    assert "<title>rec.wav · audiolog</title>" in page
    assert '<h1 id="name-0" title="day/rec.wav">rec.wav</h1>' in page
    others = "night/rec.wav\t0\t1\tscene\tpark\t0.9\nx/b.wav\t0\t1\tscene\tpark\t0.9\n"
    pages = audiolog("report", tmp_path, (cells + others).encode()).stdout
    assert "<title>day/rec.wav and 2 more · audiolog</title>" in pages
    assert re.findall(r"<h1[^>]*>([^<]*)", pages) == ["day/rec.wav", "night/rec.wav", "b.wav"]


def test_a_recording_that_begins_again_was_named_twice() -> None:
    once = [Cell("a.wav", float(i), i + 1.0, "scene", "park", 0.9) for i in range(2)]
    with pytest.raises(RecordError, match=r"^a.wav: begins again, 0.000 s follows 1.000 s: it was named twice"):
        recordings(once + once)


def test_events_may_come_before_the_first_scene_and_scenes_may_share_a_time() -> None:
    """A selection table of Raven, sorted by onset, was said to begin again: its first scene began within a sound."""
    dog = Cell("a.wav", 0.0, 5.0, "event", "dog", 0.9)
    scenes = [Cell("a.wav", 3.0, 4.0, "scene", label, 0.9) for label in ("park", "street")]
    (recording,) = recordings([dog, *scenes])
    assert [scene.label for scene in recording.scenes] == ["park", "street"]


def test_labels_of_an_editor_find_their_recording(tmp_path: Path) -> None:
    """Label tracks do not know how the file of sound ends; names of files may hold `ö` in one character or in two."""
    for name in ("Vo\u0308gel", "b"):
        (tmp_path / f"{name}.txt").write_text("0.5\t1.5\tdog\n")
        write_wav(tmp_path / f"{name}.wav", 2.0)
    done = audiolog("report Vo\u0308gel.txt b.txt --audio V\u00f6gel.wav --audio b.wav --embed 0", tmp_path)
    assert done.code == 1 and done.stderr.endswith("V\u00f6gel.wav: no such file\n")  # found among the names, not on this disk
    done = audiolog("report Vo\u0308gel.txt b.txt --audio Vo\u0308gel.wav --audio b.wav --embed 0 -q", tmp_path)
    assert (done.code, done.stdout.count("<audio"), done.stderr) == (0, 2, "")


def test_pictures_hold_their_labels_as_text(folder: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; the extra `metrics` brings it")
    svg = audiolog("report clock.tsv --format svg", folder)
    assert (svg.code, svg.stderr) == (0, "")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg.stdout)
    assert {"walk.wav", "scene", "car", "dog", "park", "street", "23:59:50", "00:00:00"} <= set(texts)
    assert svg.stdout == audiolog("report clock.tsv --format svg", folder).stdout
    assert audiolog("report cells.tsv --format png -o walk.png", folder) == (0, "", "")
    assert (folder / "walk.png").read_bytes().startswith(b"\x89PNG")
    odd = (folder / "cells.tsv").read_bytes().replace(b"dog", b"d\xe9\x1bg").replace(b"park", b"p\xe9\x0brk")
    svg = audiolog("report --format svg", folder, odd)
    assert (svg.code, svg.stdout.count("d\ufffd\\x1bg<"), svg.stdout.count("p\ufffd\\x0brk<")) == (0, 1, 1)
    assert ElementTree.fromstring(svg.stdout) is not None
    boxes = sh("sed s/walk/\U0001fae8/ cells.tsv | audiolog report --format png > boxes.png", folder)
    assert boxes == (0, "", "audiolog: the picture's font lacks characters of these names and labels; boxes replace them\n")
