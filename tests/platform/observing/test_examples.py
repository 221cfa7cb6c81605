"""The examples for Prometheus and Grafana name metrics that there are, with labels that they have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from config.observing import process, shared

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "observing"
NAMED = re.compile(r"\btandem_[a-z_]+")
SELECTED = re.compile(r"(tandem_[a-z_]+)\{([^}]*)\}")


def metrics_known() -> dict[str, set[str]]:
    """All names of ours, with their labels."""
    known: dict[str, set[str]] = {}
    for collector, names in REGISTRY._collector_to_names.items():
        for name in names:
            known[name] = {*getattr(collector, "_labelnames", ()), "le"}
    text = Path(shared.__file__).read_text() + Path(process.__file__).read_text()
    for name in re.findall(r'_family\(\s*"([a-z_]+)"', text):
        known[f"tandem_{name}"] = {"queue", "state", "status", "what", "part"}
    for name in re.findall(r'GaugeMetricFamily\(\s*"(tandem_[a-z_]+)"', text):
        known[name] = set()
    known |= {f"tandem_database_{name}": set() for name in process.POOL}
    for name in re.findall(r'^\s+\("([a-z_]+)", "[A-Z]', text, re.MULTILINE):
        known[f"tandem_outbox_{name}"] = set()
    return known


def expressions(found: Any) -> list[str]:
    """Every expression in a file."""
    if isinstance(found, dict):
        own = [found["expr"]] if isinstance(found.get("expr"), str) else []
        return own + [one for value in found.values() for one in expressions(value)]
    if isinstance(found, list):
        return [one for value in found for one in expressions(value)]
    return []


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_examples_ask_for_what_there_is(name: str) -> None:
    text = (FOLDER / name).read_text()
    asked = expressions(yaml.safe_load(text) if name.endswith("yml") else json.loads(text))
    known = metrics_known()

    assert len(asked) > 10
    for expression in asked:
        for metric in NAMED.findall(expression):
            assert metric in known, expression
        for metric, selection in SELECTED.findall(expression):
            for label in re.findall(r"(\w+)[=!]", selection):
                assert label in known[metric], expression


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_scrape_example_reads_both_parts() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]

    assert [job["params"]["part"] for job in jobs] == [["process"], ["shared"]]
    assert all("authorization" in job for job in jobs)
