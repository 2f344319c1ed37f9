"""Draws dashboard.json with what a Prometheus answers to its queries: a picture of the dashboard without a Grafana.

    python manifests/monitoring/picture.py http://127.0.0.1:9090 --minutes 15 --output docs/monitoring-dashboard.png

It asks as Grafana does: each query over the whole time, in steps of its panel's width, with Grafana's variables filled in.
It knows what the dashboard uses, and refuses what it does not know, so that no picture shows less than Grafana would.
"""

from __future__ import annotations

import argparse
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
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

DASHBOARD: Final = Path(__file__).with_name("dashboard.json")

Json = dict[str, Any]
Values = NDArray[np.float64]


class PictureError(Exception):
    """What keeps the picture from being drawn; names the panel, and the query where it is one."""


# --- What is asked -----------------------------------------------------------------------------------------------------

NICE_STEPS: Final = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
)
"""Seconds between two points that Grafana rounds to."""


@dataclass(frozen=True)
class Span:
    """The time that the picture shows: seconds since 1970, and seconds between two scrapes."""

    since: float
    until: float
    scrape_interval: float

    def step(self, width: int) -> float:
        """Grafana's $__interval for a panel of so many pixels, in seconds: never less than a scrape takes to come."""
        exact = (self.until - self.since) / width
        return max(self.scrape_interval, min(NICE_STEPS, key=lambda nice: abs(nice - exact)))

    def grid(self, step: float) -> Values:
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
    values: Values

    def last(self) -> float | None:
        there = self.values[~np.isnan(self.values)]
        return float(there[-1]) if there.size else None


def ask(address: str, expression: str, times: Values, step: float) -> list[Json]:
    """What Prometheus answers to a range query: series with `metric` and `values`. Raises PictureError if it refuses."""
    asked = {"query": expression, "start": f"{times[0]:.3f}", "end": f"{times[-1]:.3f}", "step": f"{step:g}"}
    try:
        answer = requests.post(f"{address.rstrip('/')}/api/v1/query_range", data=asked, timeout=60)
        body = answer.json()
    except requests.RequestException as error:
        raise PictureError(f"no answer of a Prometheus at {address}: {error}") from error
    if body.get("status") != "success":
        raise PictureError(f"Prometheus refuses `{expression}`: {body.get('error', answer.status_code)}")
    found: list[Json] = body["data"]["result"]
    return found


def series(panel: Json, address: str, span: Span, width: int) -> tuple[Values, list[Series]]:
    """Ask a panel's queries: the times of the points, and its series in Grafana's order."""
    step = span.step(width)
    times = span.grid(step)
    found = []
    for target in panel["targets"]:
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


# --- How it is written -------------------------------------------------------------------------------------------------


def _scaled(value: float, scale: Sequence[tuple[float, str]]) -> str:
    factor, suffix = next((one for one in scale if abs(value) >= one[0]), scale[-1])
    return f"{value / factor:.3g}{suffix}" if value else "0" + suffix.replace(scale[-1][1], "")


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "short": lambda value: _scaled(value, ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, ""))),
    "percentunit": lambda value: f"{100 * value:.3g}%",
    "s": lambda value: _scaled(value, ((86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"))),
    "reqps": lambda value: f"{value:.3g} req/s",
    "bytes": lambda value: _scaled(value, ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))),
}
"""A panel's unit, by Grafana's name -> how a value is written."""

COLORS: Final = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}


def unit(panel: Json) -> Callable[[float], str]:
    name = panel["fieldConfig"]["defaults"]["unit"]
    if name not in UNITS:
        raise PictureError(f"the unit {name} is none of {', '.join(UNITS)}")
    return UNITS[name]


def color(panel: Json, value: float) -> str:
    """Of the highest threshold that the value has reached."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[reached[-1]]


def text(panel: Json, value: float) -> str:
    """Write a value: as it is mapped, else by the unit."""
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", ()):
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    return unit(panel)(value)


# --- How it is drawn ---------------------------------------------------------------------------------------------------

DPI: Final = 100
COLUMN, ROW, HEADER, GAP = 50, 36, 44, 4
"""Pixels: one unit of gridPos, the headline, half of what is between two panels."""
SMALL, NORMAL, LARGE = 8.0, 9.0, 22.0
"""Sizes of text in points."""


@dataclass(frozen=True)
class Box:
    """A part of the picture in pixels, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, panel: Json) -> Box:
        at = panel["gridPos"]
        x, y = at["x"] * COLUMN + GAP, HEADER + at["y"] * ROW + GAP
        return cls(x, y, at["w"] * COLUMN - 2 * GAP, at["h"] * ROW - 2 * GAP)

    def axes(self, figure: Figure) -> Axes:
        width, height = figure.get_size_inches() * DPI
        return figure.add_axes(
            (self.x / width, 1 - (self.y + self.height) / height, self.width / width, self.height / height)
        )

    def within(self, left: float, top: float, right: float, bottom: float) -> Box:
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


def _frame(figure: Figure, box: Box, title: str, face: str = "white") -> Axes:
    axes = box.axes(figure)
    axes.set(xticks=[], yticks=[], facecolor=face, xlim=(0, box.width), ylim=(box.height, 0))
    axes.spines[:].set_color("#d0d0d8")
    axes.text(8, 15, title, fontsize=NORMAL, fontweight="bold", va="center")
    return axes


def _draw_row(figure: Figure, panel: Json, _times: Values, _found: Sequence[Series]) -> None:
    axes = Box.of(panel).axes(figure)
    axes.set_axis_off()
    axes.text(0, 0.5, panel["title"], fontsize=NORMAL + 2, fontweight="bold", va="center")


def _draw_stat(figure: Figure, panel: Json, _times: Values, found: Sequence[Series]) -> None:
    """Last values as large texts, one beside the other; names in their place if the panel says so."""
    options = panel["options"]
    if options["reduceOptions"]["calcs"] != ["lastNotNull"] or options["graphMode"] != "none":
        raise PictureError("a stat other than the last value without a graph")
    shown = [(one.name, last) for one in found if (last := one.last()) is not None]
    box = Box.of(panel)
    filled = options["colorMode"] == "background" and shown
    axes = _frame(figure, box, panel["title"], color(panel, shown[0][1]) if filled else "white")
    texts = [name if options.get("textMode") == "name" else text(panel, value) for name, value in shown] or ["No data"]
    for at, one in enumerate(texts):
        place = (at + 0.5) * box.width / len(texts)
        axes.text(place, 0.6 * box.height, one, fontsize=LARGE, ha="center", va="center")


def _rows(names: Sequence[str], width: float) -> Iterator[list[int]]:
    """Break a legend into lines: indices of the series in each."""
    line: list[int] = []
    used = 0.0
    for at, name in enumerate(names):
        needed = _entry(name)
        if line and used + needed > width:
            yield line
            line, used = [], 0.0
        line.append(at)
        used += needed
    if line:
        yield line


def _entry(name: str) -> float:
    """Pixels that an entry of a legend takes."""
    return 30 + 6.4 * len(name)


def _draw_timeseries(figure: Figure, panel: Json, times: Values, found: Sequence[Series]) -> None:
    """Lines over the time, or areas one upon the other; the legend below."""
    options, custom = panel["options"], panel["fieldConfig"]["defaults"].get("custom", {})
    box = Box.of(panel)
    frame = _frame(figure, box, panel["title"])
    legends = (
        list(_rows([one.name for one in found], box.width - 16)) if options["legend"].get("showLegend", True) else []
    )
    axes = box.within(62, 30, 14, 28 + 16 * len(legends)).axes(figure)
    dates = times.astype("datetime64[s]")
    base = np.zeros(len(times))
    for at, one in enumerate(found):
        values, shade = one.values, f"C{at % 10}"
        if custom.get("stacking", {}).get("mode") == "normal":
            above = base + np.nan_to_num(values)
            axes.fill_between(dates, base, above, color=shade, alpha=custom["fillOpacity"] / 100, linewidth=0)  # type: ignore[arg-type]
            values, base = np.where(np.isnan(values), np.nan, above), above
        axes.plot(dates, values, color=shade, linewidth=1.2)  # type: ignore[arg-type]
        gaps = np.isnan(np.pad(values, 1, constant_values=np.nan))
        alone = gaps[:-2] & gaps[2:]
        axes.plot(dates[alone], values[alone], color=shade, marker=".", linestyle="none", markersize=3)  # type: ignore[arg-type]
    for line, indices in enumerate(legends):
        x, y = 8.0, box.height - 16 * (len(legends) - line) + 4
        for at in indices:
            frame.plot([x, x + 12], [y, y], color=f"C{at % 10}", linewidth=3)
            frame.text(x + 17, y, found[at].name, fontsize=SMALL, va="center")
            x += _entry(found[at].name)
    _set_axes(axes, panel, dates)
    if not any(one.last() is not None for one in found):
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center")


def _set_axes(axes: Axes, panel: Json, dates: NDArray[np.datetime64]) -> None:
    written = unit(panel)
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), high if high > 0 else 1)
    axes.set_xlim(dates[0], dates[-1])  # type: ignore[arg-type]
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=5))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _at: written(value)))
    axes.tick_params(labelsize=SMALL, length=0)
    axes.grid(visible=True, color="#e8e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


DRAW: Final[Mapping[str, Callable[[Figure, Json, Values, Sequence[Series]], None]]] = {
    "row": _draw_row,
    "stat": _draw_stat,
    "timeseries": _draw_timeseries,
}
"""A panel's type -> what draws it."""


def draw(dashboard: Json, address: str, span: Span) -> Figure:
    """Ask a Prometheus all of a dashboard's queries and draw its panels. Raises PictureError."""
    panels = dashboard["panels"]
    width = COLUMN * max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in panels)
    height = HEADER + ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="#f4f5f5")
    since, until = (datetime.fromtimestamp(time, UTC) for time in (span.since, span.until))
    headline = (
        f"{since:%Y-%m-%d %H:%M} to {until:%H:%M} UTC · drawn by picture.py from Prometheus' answers, not by Grafana"
    )
    line = 1 - HEADER / 2 / height
    figure.text(8 / width, line, dashboard["title"], fontsize=NORMAL + 6, fontweight="bold", va="center")
    figure.text(1 - 8 / width, line, headline, fontsize=NORMAL, ha="right", va="center")
    for panel in panels:
        try:
            if panel["type"] not in DRAW:
                raise PictureError(f"the type {panel['type']} is none of {', '.join(DRAW)}")
            times, found = (
                series(panel, address, span, panel["gridPos"]["w"] * COLUMN)
                if panel["type"] != "row"
                else (np.empty(0), [])
            )
            DRAW[panel["type"]](figure, panel, times, found)
        except PictureError as error:
            raise PictureError(f"panel {panel['id']} ({panel['title']}): {error}") from error
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the dashboard into a file; ends with a message where that cannot be done."""
    parser = argparse.ArgumentParser(description="Draw dashboard.json from what a Prometheus answers.")
    parser.add_argument("prometheus", help="its address, such as http://127.0.0.1:9090")
    parser.add_argument(
        "--until",
        type=datetime.fromisoformat,
        default=datetime.now(UTC),
        help="the last moment, such as 2026-11-26T13:00Z; now",
    )
    parser.add_argument("--minutes", type=float, default=15, help="how much is shown before that; %(default)s")
    parser.add_argument(
        "--scrape-interval",
        type=float,
        default=30,
        help="of that Prometheus, in seconds, as Grafana's data source is told; %(default)s",
    )
    parser.add_argument("--output", type=Path, required=True, help="the PNG file")
    asked = parser.parse_args(arguments)
    until = asked.until.timestamp()
    span = Span(until - 60 * asked.minutes, until, asked.scrape_interval)
    try:
        figure = draw(json.loads(DASHBOARD.read_text()), asked.prometheus, span)
    except PictureError as error:
        sys.exit(str(error))
    figure.savefig(asked.output, dpi=DPI, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
