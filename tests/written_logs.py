"""Hand-written logs of tests/logs: the tables that they are of, and whether each is right."""

import re
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

from audiolog_cli.records import Row
from tests.log_tables import Spans


def rows(scenes: Spans, events: Spans) -> list[Row]:
    """The rows of a recording, from edge to edge: as `tests.log_tables.rows`, in a time that hours do not lengthen."""

    def at(spans: Spans, position: float) -> tuple[str, ...]:
        return tuple(sorted(label for label, pairs in spans.items() if any(on <= position < off for on, off in pairs)))

    edges = sorted({edge for spans in (scenes, events) for pairs in spans.values() for pair in pairs for edge in pair})
    return [
        Row("farm.wav", float(onset), float(offset), at(scenes, onset)[0], at(events, onset))
        for onset, offset in pairwise(edges)
        if at(scenes, onset)
    ]


def dated(start: str, undated: list[Row]) -> list[Row]:
    """Rows with the times of day that they have when the recording starts at `start`."""
    first = datetime.fromisoformat(start)
    return [row._replace(time=(first + timedelta(seconds=row.onset)).isoformat()) for row in undated]


CITY = rows(
    {"city_center": [(0, 16)], "metro_station": [(16, 36)], "residential_area": [(36, 60)]},
    {
        "car": [(0, 5), (9, 12), (40, 43)],
        "large_vehicle": [(2, 5)],
        "footsteps": [(6, 9)],
        "people_talking": [(10, 16)],
        "metro_leaving": [(17, 19)],
        "metro_approaching": [(30, 33)],
        "birds_singing": [(40, 41), (45, 52), (55, 60)],
    },
)
NIGHT = rows(
    {"home": [(0, 300)], "kitchen": [(300, 480)], "street": [(480, 600)]},
    {
        "snoring": [(20, 140)],
        "alarm": [(285, 300)],
        "footsteps": [(300, 310), (470, 480)],
        "dishes": [(320, 400)],
        "phone_ring": [(410, 425)],
        "speech": [(425, 465)],
        "door_slam": [(480, 481)],
        "car": [(490, 520), (540, 580)],
        "dog_bark": [(530, 533)],
    },
)
WARD = rows(
    {"bedroom": [(0, 120), (200, 300)], "corridor": [(120, 200)]},
    {
        "snoring": [(0, 60)],
        "cough": [(75, 77)],
        "footsteps": [(125, 140)],
        "speech": [(140, 190), (210, 225)],
        "alarm": [(200, 210)],
        "rain": [(240, 300)],
    },
)
HARBOUR = rows(
    {"beach": [(0, 60)], "cafe_restaurant": [(60, 150)], "street": [(150, 180)]},
    {
        "sea_waves": [(0, 60)],
        "bird": [(10, 15), (30, 38)],
        "dishes": [(62, 70), (100, 110)],
        "laughter": [(80, 84)],
        "music": [(90, 150)],
        "bus": [(155, 165)],
        "motorcycle": [(170, 175)],
    },
)
FARMYARD = rows(
    {"farm": [(0, 240)], "street": [(240, 300)]},
    {
        "rooster": [(5, 7), (40, 42), (100, 103)],
        "cow": [(20, 30), (150, 156)],
        "dog_bark": [(60, 62), (64, 66), (200, 205)],
        "tractor": [(110, 180)],
        "rain": [(180, 240)],
        "car": [(250, 255), (280, 284)],
    },
)
VIGIL = dated(
    "2026-05-01T23:50:00+02:00",
    rows(
        {"bedroom": [(0, 1800)]},
        {
            "snoring": [(60, 600)],
            "rain": [(300, 1500)],
            "cough": [(700, 702), (1200, 1203)],
            "dog_bark": [(900, 910)],
            "thunder": [(1000, 1006)],
        },
    ),
)
OFFICE = rows(
    {"office": [(0, 3600), (5400, 7200)], "cafe_restaurant": [(3600, 5400)]},
    {
        "keyboard_typing": [(0, 900), (1200, 2400), (5500, 7000)],
        "mouse_click": [(910, 915), (2500, 2504), (7050, 7055)],
        "phone_ring": [(1000, 1020), (2600, 2610)],
        "speech": [(1020, 1180), (3700, 4500)],
        "applause": [(3000, 3020)],
        "dishes": [(3650, 3700), (4600, 4650)],
        "laughter": [(4000, 4006)],
        "cough": [(6000, 6002)],
    },
)
RIDE = dated(
    "2026-06-12T08:15:00+02:00",
    rows(
        {"street": [(0, 400)], "park": [(400, 700)]},
        {
            "bus": [(10, 30), (200, 220)],
            "motorcycle": [(50, 56)],
            "siren": [(100, 130)],
            "bell": [(300, 302)],
            "bird": [(400, 500), (640, 700)],
            "horse": [(420, 440), (600, 620)],
            "children_playing": [(520, 580)],
        },
    ),
)
COMMUTE = rows(
    {"residential_area": [(0, 120)], "bus": [(120, 420)], "city_center": [(420, 540)]},
    {
        "footsteps": [(0, 45), (425, 480)],
        "bird": [(5, 20), (60, 75)],
        "car": [(90, 95), (430, 440), (500, 512)],
        "engine_idling": [(110, 130)],
        "speech": [(150, 210), (300, 320)],
        "phone_ring": [(240, 248)],
        "bell": [(400, 402)],
        "siren": [(515, 535)],
    },
)
CAFE = dated(
    "2026-03-14T09:30:00+01:00",
    rows(
        {"cafe_restaurant": [(0, 1200)]},
        {
            "music": [(0, 1200)],
            "coffee_machine": [(30, 60), (400, 430), (900, 935)],
            "speech": [(60, 380), (600, 880)],
            "dishes": [(70, 75), (500, 520)],
            "laughter": [(200, 206), (700, 704)],
            "door_slam": [(390, 391)],
            "crying_baby": [(650, 690)],
            "phone_ring": [(1000, 1010)],
        },
    ),
)
FOREST = dated(
    "2026-05-20T22:00:00+02:00",
    rows(
        {"forest": [(0, 28800)]},
        {
            "insects": [(0, 7200)],
            "owl": [(1800, 1860), (9000, 9030)],
            "dog_bark": [(3600, 3605)],
            "airplane": [(5400, 5460)],
            "rain": [(10800, 14400)],
            "thunder": [(11000, 11010), (12600, 12612)],
            "wind": [(14400, 18000)],
            "bird": [(25200, 28800)],
        },
    ),
)
WORKSHOP = rows(
    {"workshop": [(0, 1500)], "street": [(1500, 1800)]},
    {
        "music": [(0, 900)],
        "drilling": [(60, 120), (300, 330), (900, 960)],
        "hammering": [(150, 240)],
        "speech": [(250, 290), (1000, 1100)],
        "sawing": [(400, 700)],
        "phone_ring": [(990, 1000)],
        "vacuum_cleaner": [(1200, 1400)],
        "door_slam": [(1500, 1501)],
        "car": [(1550, 1556), (1700, 1710)],
        "large_vehicle": [(1600, 1620)],
    },
)
NURSERY = dated(
    "2026-02-03T19:45:00+01:00",
    rows(
        {"bedroom": [(0, 2700)]},
        {
            "music": [(0, 240), (540, 900)],
            "crying_baby": [(300, 420), (1500, 1620), (2400, 2430)],
            "footsteps": [(410, 425), (1610, 1625)],
            "speech": [(425, 540), (1625, 1700)],
            "cough": [(2000, 2002)],
            "dog_bark": [(2390, 2394)],
        },
    ),
)
BEACH = rows(
    {"beach": [(0, 420)], "street": [(420, 600)]},
    {
        "sea_waves": [(0, 420)],
        "gull": [(20, 30), (150, 160), (300, 320)],
        "children_playing": [(60, 200)],
        "wind": [(200, 420)],
        "dog_bark": [(240, 250)],
        "car": [(430, 440), (500, 520)],
        "car_horn": [(450, 452)],
        "motorcycle": [(560, 570)],
    },
)
COOKING = rows(
    {"kitchen": [(0, 900)], "home": [(900, 1200)]},
    {
        "water": [(10, 40), (300, 330)],
        "dishes": [(50, 60), (730, 780)],
        "cat_meow": [(200, 204), (850, 853)],
        "frying": [(360, 720)],
        "speech": [(400, 460), (920, 1150)],
        "microwave_oven": [(800, 860)],
        "doorbell": [(890, 892)],
        "television": [(900, 1200)],
        "laughter": [(1000, 1005)],
    },
)
DEMO = rows(
    {"city_center": [(0, 1800)], "metro_station": [(1800, 2100)]},
    {
        "crowd": [(0, 1500)],
        "shouting": [(300, 420), (900, 1000)],
        "applause": [(420, 435), (1000, 1020)],
        "music": [(600, 900)],
        "helicopter": [(1200, 1500)],
        "siren": [(1400, 1440), (1560, 1580)],
        "footsteps": [(1800, 1850)],
        "metro_approaching": [(1850, 1862)],
        "metro_leaving": [(1880, 1890)],
    },
)
LIBRARY = rows(
    {"library": [(0, 3600)]},
    {
        "keyboard_typing": [(0, 1200), (1500, 3300)],
        "cough": [(600, 602), (2000, 2003)],
        "chair": [(1200, 1204), (3300, 3304)],
        "footsteps": [(1205, 1225), (3305, 3330)],
        "paper": [(1300, 1320)],
        "whispering": [(1330, 1390)],
        "sneeze": [(2500, 2501)],
        "phone_ring": [(2700, 2706)],
    },
)
FLAT = dated(
    "2026-04-09T23:30:00+02:00",
    rows(
        {"bedroom": [(0, 14400), (16200, 25200)]},
        {
            "snoring": [(1800, 5400), (9000, 12600)],
            "footsteps": [(5410, 5418), (5445, 5460)],
            "toilet_flush": [(5430, 5440)],
            "rain": [(7200, 9000)],
            "siren": [(10000, 10020)],
            "dog_bark": [(13000, 13010)],
            "bird": [(21600, 25200)],
            "alarm": [(24300, 24360)],
        },
    ),
)
WALK = rows(
    {"farm": [(0, 600)], "forest": [(600, 1200)]},
    {
        "rooster": [(30, 34), (90, 94), (180, 184)],
        "hen": [(40, 100)],
        "cow": [(200, 240)],
        "tractor": [(250, 480)],
        "sheep": [(500, 540)],
        "dog_bark": [(545, 550)],
        "footsteps": [(600, 700)],
        "bird": [(600, 900), (1000, 1200)],
        "wind": [(700, 1200)],
        "chainsaw": [(900, 1000)],
    },
)
PLATFORM = rows(
    {"train_station": [(0, 480)], "tram": [(480, 1080)]},
    {
        "footsteps": [(0, 100)],
        "speech": [(20, 60), (200, 230), (600, 700)],
        "bell": [(110, 114)],
        "train": [(120, 180), (400, 480)],
        "brakes": [(395, 402)],
        "laughter": [(650, 656)],
        "phone_ring": [(800, 810)],
        "crying_baby": [(900, 960)],
    },
)
CAMP = dated(
    "2026-08-15T20:15:00+02:00",
    rows(
        {"forest": [(0, 10800)]},
        {
            "insects": [(0, 9600)],
            "speech": [(300, 1500), (2000, 4200)],
            "fire": [(600, 7200)],
            "laughter": [(1000, 1010), (3000, 3006)],
            "dog_bark": [(2500, 2504)],
            "music": [(4300, 6000)],
            "owl": [(7500, 7520), (9000, 9015)],
            "zipper": [(9650, 9655)],
            "rain": [(9700, 10800)],
        },
    ),
)
SHOP = rows(
    {"grocery_store": [(0, 540)], "street": [(540, 660)]},
    {
        "music": [(0, 540)],
        "footsteps": [(0, 120), (540, 600)],
        "speech": [(30, 50), (200, 215), (480, 510)],
        "crying_baby": [(250, 280)],
        "glass_breaking": [(300, 302)],
        "object_rustling": [(400, 470)],
        "alarm": [(515, 520)],
        "car": [(560, 570), (620, 632)],
        "bus": [(600, 615)],
    },
)
LESSON = rows(
    {"classroom": [(0, 2700)]},
    {
        "speech": [(0, 600), (700, 1500), (1800, 2600)],
        "door_slam": [(50, 51)],
        "chair": [(600, 606), (2650, 2660)],
        "paper": [(610, 640)],
        "laughter": [(900, 905), (2000, 2008)],
        "cough": [(1200, 1202)],
        "sneeze": [(1300, 1301)],
        "keyboard_typing": [(1500, 1800)],
        "bell": [(2640, 2646)],
    },
)
GARDEN = dated(
    "2026-06-07T14:00:00+02:00",
    rows(
        {"garden": [(0, 7200)]},
        {
            "bird": [(0, 300), (1600, 6600)],
            "lawn_mower": [(300, 1500)],
            "airplane": [(2000, 2040), (6000, 6050)],
            "children_playing": [(3000, 4800)],
            "dog_bark": [(3100, 3110), (4000, 4004), (4700, 4720)],
            "church_bell": [(3600, 3630)],
            "water": [(5000, 5600)],
        },
    ),
)
GYM = rows(
    {"gym": [(0, 1200)], "bathroom": [(1200, 1800)]},
    {
        "music": [(0, 1800)],
        "footsteps": [(60, 660)],
        "breathing": [(70, 680)],
        "phone_ring": [(700, 712)],
        "object_banging": [(800, 802), (860, 862), (920, 922)],
        "speech": [(1000, 1090)],
        "door_slam": [(1195, 1196)],
        "water": [(1300, 1500)],
        "hair_dryer": [(1550, 1640)],
    },
)
DOCK = rows(
    {"river": [(0, 1200)]},
    {
        "water": [(0, 1200)],
        "gull": [(30, 36), (400, 420), (1000, 1010)],
        "boat": [(200, 320), (800, 900)],
        "speech": [(340, 380)],
        "bell": [(500, 504)],
        "wind": [(600, 1200)],
        "hammering": [(920, 980)],
        "rain": [(1050, 1200)],
    },
)
CLINIC = rows(
    {"hospital": [(0, 1500)], "street": [(1500, 1800)]},
    {
        "footsteps": [(0, 30), (1480, 1560)],
        "speech": [(40, 300), (700, 1300)],
        "phone_ring": [(320, 330), (600, 612)],
        "crying_baby": [(350, 395)],
        "cough": [(400, 402), (450, 452), (1350, 1353)],
        "door_slam": [(690, 691)],
        "printer": [(1310, 1340)],
        "car": [(1520, 1530), (1700, 1712)],
        "siren": [(1600, 1640)],
    },
)
ATTIC = dated(
    "2026-07-21T22:30:00+02:00",
    rows(
        {"bedroom": [(0, 28800)]},
        {
            "clock_tick": [(0, 28800)],
            "rain": [(3600, 9000)],
            "thunder": [(5000, 5012), (6200, 6210)],
            "snoring": [(10800, 18000)],
            "cat_meow": [(20000, 20005)],
            "footsteps": [(20100, 20130)],
            "bird": [(25200, 28800)],
            "church_bell": [(27000, 27060)],
            "car": [(28000, 28010)],
        },
    ),
)
REHEARSAL = rows(
    {"theatre": [(0, 2400)]},
    {
        "speech": [(0, 280), (910, 1190), (2050, 2200)],
        "laughter": [(100, 104), (1000, 1006)],
        "chair": [(285, 295), (2210, 2230)],
        "music": [(300, 900), (1200, 2000)],
        "cough": [(600, 602)],
        "whispering": [(1100, 1110)],
        "applause": [(2000, 2040)],
        "door_slam": [(2390, 2391)],
    },
)
RIDE_OUT = rows(
    {"forest": [(0, 1800)], "river": [(1800, 2700)]},
    {
        "horse": [(0, 2700)],
        "bird": [(0, 1700)],
        "speech": [(200, 260), (1500, 1530)],
        "dog_bark": [(900, 915)],
        "wind": [(1200, 2400)],
        "water": [(1800, 2700)],
        "airplane": [(2000, 2060)],
        "frog": [(2100, 2500)],
    },
)
AIRPORT = rows(
    {"airport": [(0, 1200)], "bus": [(1200, 1800)]},
    {
        "speech": [(0, 90), (300, 420), (1250, 1400)],
        "footsteps": [(100, 280), (1150, 1210)],
        "bell": [(295, 298), (700, 703)],
        "airplane": [(500, 530), (900, 940)],
        "crying_baby": [(600, 660)],
        "engine_idling": [(1200, 1260)],
        "phone_ring": [(1500, 1512)],
        "brakes": [(1780, 1786)],
    },
)
STABLE = rows(
    {"farm": [(0, 2400)]},
    {
        "horse": [(0, 120), (1000, 1100), (2200, 2300)],
        "goat": [(300, 360)],
        "rooster": [(400, 404), (430, 434)],
        "rain": [(600, 1500)],
        "dog_bark": [(1590, 1598)],
        "hammering": [(1600, 1720)],
        "speech": [(1730, 1800)],
        "tractor": [(1900, 2150)],
    },
)
EVENING = dated(
    "2026-01-09T18:00:00+01:00",
    rows(
        {"kitchen": [(0, 1800)], "home": [(1800, 7200)]},
        {
            "water": [(60, 120), (1500, 1560)],
            "frying": [(300, 1200)],
            "dishes": [(1300, 1480)],
            "doorbell": [(1750, 1752)],
            "speech": [(1755, 1800), (2000, 3000)],
            "cat_meow": [(3300, 3304), (6700, 6706)],
            "television": [(3600, 6600)],
            "snoring": [(5400, 6000)],
            "phone_ring": [(6650, 6662)],
        },
    ),
)
TABLES = {name.lower(): table for name, table in globals().items() if name.isupper()}

LOGS = Path(__file__).parent / "logs"


def hand_written(name: str) -> list[tuple[list[Row], str, str]]:
    """(rows of its table, `right` or `wrong: ...`, log) of a file of logs; a table may be of another file: `twentieth/hotel`."""
    text = (LOGS / f"{name}.md").read_text(encoding="utf-8")
    return [
        (tables_of(match[1] or name)[match[2]], match[3], match[4].strip())
        for match in re.finditer(r"^## (?:(\w+)/)?(\w+), (.*)\n((?:(?!## [\w/]+, ).*\n?)*)", text, re.MULTILINE)
    ]


@cache
def tables_of(name: str) -> dict[str, list[Row]]:
    """The tables that a file of logs may be of: those above, and its own."""
    text = (LOGS / f"{name}.md").read_text(encoding="utf-8")
    found = re.finditer(r"^# table (\w+)(?:, (.*))?\n\n((?:    .*\n)+)", text, re.MULTILINE)
    return TABLES | {match[1]: own_table(match[2], match[3]) for match in found}


def own_table(start: str | None, lines: str) -> list[Row]:
    """The rows of a table in a file of logs: `event car 0-25 48-70` on each line, in seconds; `-` is a scene without a name."""
    spans: dict[str, Spans] = {"scene": {}, "event": {}}
    for line in lines.splitlines():
        kind, label, *times = line.split()
        spans[kind] = {
            **spans[kind],
            label.removeprefix("-"): [(float(time.split("-")[0]), float(time.split("-")[1])) for time in times],
        }
    found = rows(spans["scene"], spans["event"])
    return dated(start, found) if start else found
