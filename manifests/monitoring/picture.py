"""Draws dashboard.json with what a Prometheus answers to its queries: a picture of the dashboard without a Grafana.

    python manifests/monitoring/picture.py http://127.0.0.1:9090 --minutes 15 --output docs/monitoring-dashboard.png

It asks as Grafana does: each query over the whole time, in steps that fit the panel, with Grafana's variables filled
in. It knows what the dashboard uses and refuses all else, so that no picture shows less than Grafana would.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import requests
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from numpy.typing import NDArray
from PIL import Image

DASHBOARD: Final = Path(__file__).with_name("dashboard.json")

Json = dict[str, Any]
Numbers = NDArray[np.floating[Any]]


class PictureError(Exception):
    """What keeps the picture from being drawn; names the panel, and the query where it is one."""


# What is asked

MINUTE, HOUR, DAY = 60, 3600, 86400
NICE: Final = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 6, 12, 24)),
)
"""Seconds that Grafana rounds the step between two points to."""


@dataclass(frozen=True)
class Span:
    """The time that the picture shows, in seconds since 1970, and the seconds between two scrapes."""

    since: float
    until: float
    scrape_interval: float

    def step(self, width: int) -> float:
        """Grafana's $__interval in a panel of so many pixels, in seconds: never shorter than between two scrapes."""
        exact = (self.until - self.since) / width
        return max(self.scrape_interval, min(NICE, key=lambda nice: abs(nice - exact)))

    def grid(self, step: float) -> Numbers:
        """The times of a range query's points: Grafana begins and ends it at multiples of the step."""
        return np.arange(math.floor(self.since / step), math.floor(self.until / step) + 1) * step


def substitute(expression: str, span: Span, step: float) -> str:
    """Fill in Grafana's variables. Raises PictureError for one that is not known; `$1` is Prometheus' own."""
    known = {
        "__interval": f"{step:g}s",
        "__rate_interval": f"{max(step + span.scrape_interval, 4 * span.scrape_interval):g}s",
        "__range": f"{span.until - span.since:.0f}s",
    }

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in known:
            raise PictureError(f"the variable ${name} is none of {', '.join(f'${one}' for one in known)}")
        return known[name]

    return re.sub(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value, expression)


def legend(template: str, labels: Mapping[str, str], expression: str) -> str:
    """Name a series as Grafana does: a label that it lacks is empty; without a template, by all of its labels."""
    if template:
        return re.sub(r"\{\{\s*(.+?)\s*\}\}", lambda found: labels.get(found[1], ""), template).strip()
    named = ", ".join(f'{label}="{value}"' for label, value in labels.items() if label != "__name__")
    return labels.get("__name__", "") + (f"{{{named}}}" if named else "") or expression


@dataclass(frozen=True)
class Series:
    """One line of a panel: a value for each time of the grid, NaN where Prometheus has none."""

    name: str
    values: Numbers

    def last(self) -> float | None:
        """Grafana's lastNotNull."""
        there = self.values[~np.isnan(self.values)]
        return float(there[-1]) if there.size else None


def ask(address: str, expression: str, times: Numbers, step: float) -> list[Json]:
    """Send a range query to Prometheus: series with `metric` and `values`. Raises PictureError if it is refused."""
    asked = {"query": expression, "start": f"{times[0]:.3f}", "end": f"{times[-1]:.3f}", "step": f"{step:g}"}
    try:
        answer = requests.post(f"{address.rstrip('/')}/api/v1/query_range", data=asked, timeout=60)
        body = answer.json()
    except requests.RequestException as error:
        raise PictureError(f"no Prometheus answers at {address}: {error}") from error
    if body.get("status") != "success":
        raise PictureError(f"Prometheus refuses `{expression}`: {body.get('error', answer.status_code)}")
    found: list[Json] = body["data"]["result"]
    return found


def ask_panel(panel: Json, address: str, span: Span) -> tuple[Numbers, list[Series]]:
    """Send a panel's queries: the times of the points, and the series in the order of the queries."""
    step = span.step(panel["gridPos"]["w"] * COLUMN)
    times = span.grid(step)
    found = []
    for target in panel.get("targets", ()):
        try:
            expression = substitute(target["expr"], span, step)
            for one in ask(address, expression, times, step):
                values = np.full(len(times), np.nan)
                for time, value in one["values"]:
                    values[round((time - times[0]) / step)] = float(value)
                found.append(Series(legend(target["legendFormat"], one["metric"], expression), values))
        except PictureError as error:
            raise PictureError(f"query {target['refId']}: {error}") from error
    return times, found


# How a value is written


def scaled(value: float, *scale: tuple[float, str]) -> str:
    """Write a value in the largest unit that it reaches, of (size, name), the largest first."""
    size, name = next((one for one in scale if abs(value) >= one[0]), scale[-1])
    return f"{value / size:.3g}{name}" if value else "0"


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "short": lambda value: scaled(value, (1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, "")),
    "percentunit": lambda value: f"{100 * value:.3g}%",
    "s": lambda value: scaled(value, (DAY, " d"), (HOUR, " h"), (MINUTE, " min"), (1, " s"), (1e-3, " ms")),
    "reqps": lambda value: f"{value:.3g} req/s",
    "bytes": lambda value: scaled(value, (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B")),
}
"""A panel's unit, by Grafana's name -> how a value is written."""

COLORS: Final = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
"""A threshold's colour, by Grafana's name."""


def unit(panel: Json) -> Callable[[float], str]:
    """How a panel's values are written. Raises PictureError for a unit that is not known."""
    name = panel["fieldConfig"]["defaults"]["unit"]
    if name not in UNITS:
        raise PictureError(f"the unit {name} is none of {', '.join(UNITS)}")
    return UNITS[name]


def text(panel: Json, value: float) -> str:
    """Write a value: as it is mapped, else by the unit."""
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", ()):
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    return unit(panel)(value)


def color(panel: Json, value: float) -> str:
    """Of the last threshold that the value reaches."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return COLORS[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


# How a panel is drawn: in pixels, from the upper left corner

DPI: Final = 100
COLUMN, ROW, HEADER, GAP = 50, 36, 44, 4
"""One unit of gridPos, the headline, half of what is between two panels."""
TITLE, LINE, LEFT, BOTTOM, RIGHT = 30, 16, 64, 26, 14
"""Around a graph: its title, one line of its legend, what its axes write, what is free."""
SMALL, NORMAL, LARGE = 8.0, 9.0, 22.0
"""Texts, in points."""


@dataclass(frozen=True)
class Box:
    """A part of the picture."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, panel: Json) -> Box:
        """Where the dashboard has a panel."""
        at = panel["gridPos"]
        x, y = at["x"] * COLUMN + GAP, HEADER + at["y"] * ROW + GAP
        return cls(x, y, at["w"] * COLUMN - 2 * GAP, at["h"] * ROW - 2 * GAP)

    def axes(self, figure: Figure) -> Axes:
        """Make axes that fill it."""
        width, height = figure.get_size_inches() * DPI
        return figure.add_axes(
            (self.x / width, 1 - (self.y + self.height) / height, self.width / width, self.height / height)
        )


def frame(figure: Figure, panel: Json, face: str = "white") -> Axes:
    """Draw a panel's frame and title; axes in pixels of the panel."""
    box = Box.of(panel)
    axes = box.axes(figure)
    axes.set(xticks=[], yticks=[], facecolor=face, xlim=(0, box.width), ylim=(box.height, 0))
    axes.spines[:].set_color("#d0d0d8")
    axes.text(8, 15, panel["title"], fontsize=NORMAL, va="center")
    return axes


def draw_row(figure: Figure, panel: Json, _times: Numbers, _found: Sequence[Series]) -> None:
    """Draw a heading."""
    axes = Box.of(panel).axes(figure)
    axes.set_axis_off()
    axes.text(0, 0.5, panel["title"], fontsize=NORMAL + 2, fontweight="bold", va="center")


def draw_stat(figure: Figure, panel: Json, _times: Numbers, found: Sequence[Series]) -> None:
    """Draw the last values side by side, or names in their place if the panel says so."""
    options = panel["options"]
    if options["reduceOptions"]["calcs"] != ["lastNotNull"] or options["graphMode"] != "none":
        raise PictureError("a stat shows last values without a graph, here it should not")
    shown = [(one.name, last) for one in found if (last := one.last()) is not None]
    filled = options["colorMode"] == "background" and shown
    axes = frame(figure, panel, color(panel, shown[0][1]) if filled else "white")
    texts = [name if options.get("textMode") == "name" else text(panel, value) for name, value in shown] or ["No data"]
    for at, one in enumerate(texts):
        place = ((at + 0.5) / len(texts), 0.42)
        axes.text(*place, one, transform=axes.transAxes, fontsize=LARGE, ha="center", va="center")


def draw_timeseries(figure: Figure, panel: Json, times: Numbers, found: Sequence[Series]) -> None:
    """Draw lines over the time, or areas one upon the other; the legend below."""
    box, around = Box.of(panel), frame(figure, panel)
    shown = found if panel["options"]["legend"].get("showLegend", True) else ()
    lines = list(break_legend([one.name for one in shown], box.width))
    height = box.height - TITLE - BOTTOM - LINE * len(lines)
    axes = Box(box.x + LEFT, box.y + TITLE, box.width - LEFT - RIGHT, height).axes(figure)
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    tops = draw_areas(axes, times, found, custom) if "stacking" in custom else [one.values for one in found]
    for at, values in enumerate(tops):
        look: Json = {
            "color": f"C{at % 10}",
            "zorder": 3 - at / 100,
        }  # the lowest in front: it hides those of no height
        axes.plot(times, values, linewidth=1.2, **look)
        missing = np.isnan(np.pad(values, 1, constant_values=np.nan))
        alone = missing[:-2] & ~missing[1:-1] & missing[2:]  # a point without neighbours makes no line
        axes.plot(times[alone], values[alone], marker=".", linestyle="none", markersize=4, **look)
    set_axes(axes, panel, times, np.concatenate([*tops, [0.0]]))
    if all(one.last() is None for one in found):
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center")
    for line, entries in enumerate(lines):
        y = box.height - LINE * (len(lines) - line) + 4
        for at, x in entries:
            around.plot([x, x + 12], [y, y], color=f"C{at % 10}", linewidth=3)
            around.text(x + 17, y, found[at].name, fontsize=SMALL, va="center")


def draw_areas(axes: Axes, times: Numbers, found: Sequence[Series], custom: Json) -> list[Numbers]:
    """Draw series as areas one upon the other; the upper edge of each."""
    if custom["stacking"]["mode"] != "normal":
        raise PictureError(f"the stacking {custom['stacking']['mode']} is not normal")
    tops: list[Numbers] = []
    base: Numbers = np.zeros(len(times))
    for at, one in enumerate(found):
        there, top = ~np.isnan(one.values), base + np.nan_to_num(one.values)
        shade = {"color": f"C{at % 10}", "alpha": custom["fillOpacity"] / 100}
        axes.fill_between(times, base, top, where=there.tolist(), linewidth=0, **shade)
        tops.append(np.where(there, top, np.nan))
        base = top
    return tops


def break_legend(names: Sequence[str], width: float) -> Iterator[list[tuple[int, float]]]:
    """Break a legend into lines of a panel: which series, and how far from the left."""
    line: list[tuple[int, float]] = []
    x = 8.0
    for at, name in enumerate(names):
        needed = 30 + 6.4 * len(name)
        if line and x + needed > width:
            yield line
            line, x = [], 8.0
        line.append((at, x))
        x += needed
    if line:
        yield line


def set_axes(axes: Axes, panel: Json, times: Numbers, values: Numbers) -> None:
    """Set what the axes of a graph show and write: from nought up, and the hour in UTC."""
    written = unit(panel)
    low, high = float(np.nanmin(values)), float(np.nanmax(values)) or 1.0
    axes.set(xlim=(times[0], times[-1]), ylim=(low, low + 1.06 * (high - low)))
    halves = 2.0 ** math.floor(math.log2((high - low) / 2))
    binary = panel["fieldConfig"]["defaults"]["unit"] == "bytes"
    axes.yaxis.set_major_locator(MultipleLocator(halves) if binary else MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: written(value)))
    axes.xaxis.set_major_locator(MultipleLocator(next(nice for nice in NICE if nice >= (times[-1] - times[0]) / 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time, _at: f"{datetime.fromtimestamp(time, UTC):%H:%M}"))
    axes.tick_params(labelsize=SMALL, length=0, pad=5)
    axes.grid(visible=True, color="#e8e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


DRAW: Final[Mapping[str, Callable[[Figure, Json, Numbers, Sequence[Series]], None]]] = {
    "row": draw_row,
    "stat": draw_stat,
    "timeseries": draw_timeseries,
}
"""A panel's type, by Grafana's name -> what draws it."""


# The whole


def draw_panel(figure: Figure, panel: Json, address: str, span: Span) -> None:
    """Ask a panel's queries and draw what is answered. Raises PictureError."""
    if panel["type"] not in DRAW:
        raise PictureError(f"the type {panel['type']} is none of {', '.join(DRAW)}")
    DRAW[panel["type"]](figure, panel, *ask_panel(panel, address, span))


def draw(dashboard: Json, address: str, span: Span) -> Figure:
    """Draw a dashboard from the answers of the Prometheus at an address. Raises PictureError."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    width = COLUMN * max(at["x"] + at["w"] for at in places)
    height = HEADER + ROW * max(at["y"] + at["h"] for at in places)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    since, until = (datetime.fromtimestamp(time, UTC) for time in (span.since, span.until))
    made = f"{since:%Y-%m-%d %H:%M} to {until:%H:%M} UTC · drawn by picture.py from Prometheus' answers, not by Grafana"
    middle = 1 - HEADER / 2 / height
    figure.text(8 / width, middle, dashboard["title"], fontsize=NORMAL + 6, fontweight="bold", va="center")
    figure.text(1 - 8 / width, middle, made, fontsize=NORMAL, ha="right", va="center")
    for panel in dashboard["panels"]:
        try:
            draw_panel(figure, panel, address, span)
        except PictureError as error:
            raise PictureError(f"panel {panel['id']} ({panel['title']}): {error}") from error
    return figure


def main() -> None:
    """Draw the dashboard into a file; end with a message where that cannot be done."""
    parser = argparse.ArgumentParser(description="Draw dashboard.json from what a Prometheus answers.")
    parser.add_argument("prometheus", help="its address, such as http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=15, help="how much time is shown; %(default)s")
    parser.add_argument(
        "--until", type=datetime.fromisoformat, default=datetime.now(UTC), help="as in 2026-11-26T13:00Z; now"
    )
    parser.add_argument(
        "--scrape-interval", type=float, default=30, help="seconds, as Grafana's data source has it; %(default)s"
    )
    parser.add_argument("--output", type=Path, required=True, help="the picture, a PNG file")
    asked = parser.parse_args()
    until = asked.until.timestamp()
    span = Span(until - MINUTE * asked.minutes, until, asked.scrape_interval)
    try:
        figure = draw(json.loads(DASHBOARD.read_text()), asked.prometheus, span)
    except PictureError as error:
        sys.exit(str(error))
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DPI)
    # 256 colours take a third of the room; of Pillow's ways to choose them, this one keeps thin lines' own.
    few = Image.open(drawn).convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE)
    few.save(asked.output, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
