"""The alert rules and the dashboard: what they ask for exists, what they say is valid, and the alerts do fire."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.tally import GAPS
from tests.metrics.conftest import Promtool, Run, series

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus-alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
FIRING = Path(__file__).with_name("alerts.test.yml")


def asked_for(text: str) -> set[str]:
    """Return the metrics that a text names; `recorder_down` is a cause."""
    return set(re.findall(r"\b(?:recorder|process)_\w+", text)) - set(GAPS)


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alerts() -> dict[str, str]:
    """Return each alert's text by its name."""
    parts = re.split(r"^ +- alert: (\w+)$", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


# Alerts


def test_rules_are_valid(promtool: Promtool) -> None:
    """Prometheus would load them."""
    assert f"{len(alerts())} rules found" in promtool("check", "rules", ALERTS)


def test_alerts_fire(promtool: Promtool) -> None:
    """Each fires when it should, and a run that gets on fires none."""
    promtool("test", "rules", FIRING)


def test_every_alert_is_seen_to_fire() -> None:
    """No alert without a case in which it fires."""
    assert set(re.findall(r'alertname="(\w+)"', FIRING.read_text())) == set(alerts())


def test_alerts_ask_for_what_there_is(run: Run) -> None:
    """A metric that was renamed would be an alert that never fires."""
    assert asked_for(ALERTS.read_text()) - {name for name, _ in series(run.text())} == set()
    assert asked_for(FIRING.read_text()) - {name for name, _ in series(run.text())} == set()


def test_alerts_ask_for_labels_that_there_are(run: Run) -> None:
    """So would a label's value."""
    told = {pair for _, labels in series(run.text()) for pair in labels}
    causes = {value for name, value in told if name == "cause"}
    for name, operator, value in re.findall(r'\b(cause|ours|kind|state)(=~|!~|=)"([^"]+)"', ALERTS.read_text()):
        assert {(name, word) for word in value.split("|")} <= told, operator
    assert {"reread", "not_there", "network", "recorder_down"} <= causes


@pytest.mark.parametrize("name", alerts())
def test_alerts_say_what_to_do(name: str) -> None:
    """A severity, what has happened and what to do about it."""
    text = alerts()[name]
    assert re.search(r"severity: (critical|warning|info)\b", text)
    assert re.search(r"summary: .{10,}", text)
    assert re.search(r"description: .{10,}", text)


def test_alerts_are_documented() -> None:
    """docs/metrics.md has a row for each, and for no other."""
    assert set(re.findall(r"^\| `(Recorder\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)) == set(
        alerts()
    )


# The dashboard


def test_dashboard_asks_for_what_there_is(run: Run) -> None:
    """Every panel has something to show."""
    assert expressions()
    for expression in expressions():
        assert asked_for(expression), expression
        assert asked_for(expression) - {name for name, _ in series(run.text())} == set(), expression


def test_dashboard_shows_all_there_is(run: Run) -> None:
    """No number of ours is left out, but for those that another one tells as well."""
    names = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name, _ in series(run.text())}
    shown = {name.removesuffix("_bucket") for expression in expressions() for name in asked_for(expression)}
    others = {
        "recorder_build_info",
        "recorder_disk_level",
        "recorder_sessions_opened_total",
        "recorder_vendor_reached",
        "recorder_last_frame_timestamp_seconds",
        "recorder_last_doubt_timestamp_seconds",
    }
    assert {name for name in names if name.startswith("recorder_")} - shown == others


def test_dashboard_expressions_are_valid(promtool: Promtool, tmp_path: Path) -> None:
    """As rules, with a value for each of Grafana's variables."""
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_dashboard_expressions_go_by_the_variables() -> None:
    """Job and instance are chosen at the top, for every panel."""
    for expression in expressions():
        assert len(asked_for(expression)) == expression.count('{job=~"$job", instance=~"$instance"'), expression
    names = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "job", "instance"]


def test_dashboard_has_no_data_source_of_its_own() -> None:
    """Whoever imports it chooses his."""
    found = re.findall(r'"uid": "([^"]*)"', json.dumps(DASHBOARD))
    assert set(found) == {"recorder", "${datasource}"}
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"
    assert "id" not in DASHBOARD  # Grafana gives it one


def test_dashboard_fields() -> None:
    """What Grafana's schema asks of a panel."""
    assert isinstance(DASHBOARD["schemaVersion"], int)
    assert DASHBOARD["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_dashboard_panels_do_not_overlap() -> None:
    """24 columns, each place taken once."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        across = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(across, range(place["y"], place["y"] + place["h"])))
        assert across.stop <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
