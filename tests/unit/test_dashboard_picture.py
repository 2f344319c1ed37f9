"""The dashboard's picture: every panel is in it, Prometheus is asked what Grafana asks, what is missing is an error."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from manifests.monitoring import picture
from manifests.monitoring.picture import PictureError, Series, Span, ask_panel, draw, legend, substitute

SPAN = Span(since=1_800_000_002, until=1_800_000_902, scrape_interval=5)
PANELS = {panel["title"]: panel for panel in json.loads(picture.DASHBOARD.read_text())["panels"]}


class Prometheus:
    """Answers every range query with two series, one of which begins late; refuses what names `refused`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        prometheus = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                asked = {name: value for name, (value,) in form.items()}
                prometheus.asked.append(asked)
                known = self.path == "/api/v1/query_range"
                status, body = prometheus.answer(asked) if known else (404, None)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode() if known else b"<html>not found</html>")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if "refused" in asked["query"]:
            return 400, {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}
        start, end, step = (float(asked[part]) for part in ("start", "end", "step"))
        times = np.arange(start, end + step, step)
        whole = {"metric": {"phase": "Running"}, "values": [[time, "1"] for time in times]}
        late = {"metric": {"phase": "Failed"}, "values": [[times[-3], "2"], [times[-2], "NaN"], [times[-1], "4"]]}
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": [whole, late]}}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    made = Prometheus()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def changed(title: str, **fields: Any) -> dict[str, Any]:
    """A dashboard of one panel, with other fields."""
    return {"title": "one", "panels": [copy.deepcopy(PANELS[title]) | fields]}


def test_every_panel_of_the_dashboard_is_drawn_and_every_query_asked(
    prometheus: Prometheus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dashboard.png"
    monkeypatch.setattr("sys.argv", ["picture.py", prometheus.address, "--output", str(file)])
    picture.main()
    columns, rows = 24, max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in PANELS.values())
    with Image.open(file) as drawn:
        assert drawn.size == (columns * picture.COLUMN, rows * picture.ROW + picture.HEADER)
    assert len(prometheus.asked) == sum(len(panel.get("targets", ())) for panel in PANELS.values())
    assert not [asked["query"] for asked in prometheus.asked if "$" in asked["query"]]


def test_what_the_dashboard_uses_is_known() -> None:
    defaults = [panel["fieldConfig"]["defaults"] for panel in PANELS.values() if panel["type"] != "row"]
    assert {panel["type"] for panel in PANELS.values()} == set(picture.DRAW)
    assert {one["unit"] for one in defaults} == set(picture.UNITS)
    colors = {step["color"] for one in defaults for step in one.get("thresholds", {}).get("steps", ())}
    assert colors == set(picture.COLORS)


@pytest.mark.parametrize(
    ("scrape_interval", "step", "filled"),
    [(5, 5, "rate(a[20s])"), (30, 30, "rate(a[120s])"), (15, 60, "rate(a[75s])")],
)
def test_a_rate_covers_four_scrapes_or_a_step_and_a_scrape(scrape_interval: float, step: float, filled: str) -> None:
    assert substitute("rate(a[$__rate_interval])", Span(0, 900, scrape_interval), step) == filled


def test_variables_are_filled_in_and_nothing_else() -> None:
    assert substitute("a[${__interval}] b[$__range]", SPAN, 10) == "a[10s] b[900s]"
    assert (
        substitute('label_replace(a, "b", "$1", "c", "(.*)$")', SPAN, 10) == 'label_replace(a, "b", "$1", "c", "(.*)$")'
    )
    with pytest.raises(PictureError, match=r"\$namespace"):
        substitute('a{namespace="$namespace"}', SPAN, 10)


@pytest.mark.parametrize(
    ("minutes", "width", "step"), [(15, 400, 5), (60, 400, 10), (6 * 60, 400, 60), (24 * 60, 1200, 60)]
)
def test_a_step_fits_the_panel_and_is_never_shorter_than_between_scrapes(minutes: int, width: int, step: float) -> None:
    assert Span(0, minutes * 60, 5).step(width) == step


@pytest.mark.parametrize(
    ("template", "labels", "name"),
    [
        ("{{phase}} {{ reason }}", {"phase": "Failed", "reason": "Error"}, "Failed Error"),
        ("{{phase}} {{reason}}", {"phase": "Running"}, "Running"),
        ("half are faster", {"le": "1"}, "half are faster"),
        ("", {"__name__": "up", "pod": "a", "job": "b"}, 'up{pod="a", job="b"}'),
        ("", {}, "sum(up)"),
    ],
)
def test_a_series_is_named_as_grafana_does(template: str, labels: dict[str, str], name: str) -> None:
    assert legend(template, labels, "sum(up)") == name


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [
        ("short", 0, "0"),
        ("short", 1234, "1.23 K"),
        ("percentunit", 0.125, "12.5%"),
        ("s", 0.025, "25 ms"),
        ("s", 42, "42 s"),
        ("s", 5400, "1.5 h"),
        ("reqps", 0.4, "0.4 req/s"),
        ("bytes", 96 * 2**20, "96 MiB"),
    ],
)
def test_a_value_is_written_in_its_unit(unit: str, value: float, written: str) -> None:
    assert picture.UNITS[unit](value) == written


def test_a_value_is_told_by_its_mapping_and_its_threshold() -> None:
    panel = PANELS["Airflow serves the operator"]
    assert [(picture.text(panel, value), picture.color(panel, value)) for value in (0, 1)] == [
        ("no", picture.COLORS["red"]),
        ("yes", picture.COLORS["green"]),
    ]


def test_a_point_is_where_its_time_is(prometheus: Prometheus) -> None:
    times, (whole, late) = ask_panel(PANELS["Jobs by phase"], prometheus.address, SPAN)
    assert (times[0], times[-1], len(times)) == (1_800_000_000, 1_800_000_900, 181)
    assert (whole.name, late.name) == ("Running", "Failed")
    assert whole.values.tolist() == [1.0] * 181
    assert np.isnan(late.values).tolist() == [True] * 178 + [False, True, False]
    assert late.last() == 4
    assert Series("nothing", np.full(3, np.nan)).last() is None


def test_areas_lie_one_upon_the_other(prometheus: Prometheus) -> None:
    figure = draw(changed("Jobs by phase"), prometheus.address, SPAN)
    graph = figure.axes[1]
    whole, _, late, alone = graph.lines
    assert np.asarray(whole.get_ydata())[-1] == 1
    assert np.asarray(late.get_ydata())[-1] == 5
    assert np.asarray(alone.get_ydata()).tolist() == [3, 5], "points without neighbours are seen"


@pytest.mark.parametrize(
    ("dashboard", "said"),
    [
        (
            changed("CPU", targets=[{"refId": "B", "expr": "refused(", "legendFormat": ""}]),
            "query B: .*`refused.*parse",
        ),
        (changed("CPU", targets=[{"refId": "A", "expr": "a[$often]", "legendFormat": ""}]), r"query A: .*\$often"),
        (changed("CPU", type="piechart"), "the type piechart "),
        (changed("CPU", fieldConfig={"defaults": {"unit": "furlongs"}}), "the unit furlongs "),
    ],
    ids=["refused", "variable", "type", "unit"],
)
def test_what_cannot_be_drawn_is_named(prometheus: Prometheus, dashboard: dict[str, Any], said: str) -> None:
    with pytest.raises(PictureError, match=rf"panel \d+ \(CPU\): {said}"):
        draw(dashboard, prometheus.address, SPAN)


def test_what_is_no_prometheus_is_an_error(prometheus: Prometheus) -> None:
    with pytest.raises(PictureError, match=r"panel 22 \(CPU\): query A: no Prometheus answers at"):
        draw(changed("CPU"), f"{prometheus.address}/elsewhere/", SPAN)


def test_the_program_ends_with_the_error(
    prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "dashboard.png"
    monkeypatch.setattr("sys.argv", ["picture.py", f"{prometheus.address}/elsewhere", "--output", str(file)])
    with pytest.raises(SystemExit, match="panel 1 "):
        picture.main()
    assert not file.exists()
