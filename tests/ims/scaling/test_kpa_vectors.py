"""The autoscaler against every decision that the real one made (kpa-vectors.json: Knative Serving's own code, see its `meta`)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ims.scaling.decider import Autoscaler, Cluster, Decider, bounded, decider_of
from ims.scaling.knobs import Knobs
from ims.scaling.windows import LinearAverage, Maximum, WeightedAverage

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "kpa-vectors.json").read_text())
CLOSE = 1e-9

def seconds(text: str) -> int:
    """A Go duration of whole seconds."""
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+)([hms])", text))


_KNOB = {
    "min-scale": ("min_scale", int),
    "max-scale": ("max_scale", int),
    "activation-scale": ("activation_scale", int),
    "metric": ("metric", str),
    "target": ("target", float),
    "target-utilization-percentage": ("target_utilization_percent", float),
    "target-burst-capacity": ("target_burst_capacity", float),
    "panic-window-percentage": ("panic_window_percent", float),
    "panic-threshold-percentage": ("panic_threshold_percent", float),
    "window": ("window_s", seconds),
    "scale-down-delay": ("scale_down_delay_s", seconds),
}
# What a cluster can say for all Services and a knob for one: the vectors say it for the cluster, we for the Service.
_CLUSTER_KNOB = {
    "stable-window": "window",
    "scale-down-delay": "scale-down-delay",
    "panic-window-percentage": "panic-window-percentage",
    "panic-threshold-percentage": "panic-threshold-percentage",
    "target-burst-capacity": "target-burst-capacity",
    "min-scale": "min-scale",
    "max-scale": "max-scale",
}
_CLUSTER = {
    "max-scale-up-rate": "max_scale_up_rate",
    "max-scale-down-rate": "max_scale_down_rate",
    "container-concurrency-target-default": "concurrency_target",
    "requests-per-second-target-default": "rps_target",
}


def settings_of(case: dict[str, Any]) -> tuple[Knobs, Decider]:
    cluster, annotations = dict(case.get("cluster", {})), dict(case.get("annotations", {}))
    algorithm = annotations.pop("metric-aggregation-algorithm", "linear")
    said = {_CLUSTER_KNOB[key]: value for key, value in cluster.items() if key in _CLUSTER_KNOB} | annotations
    for key in _CLUSTER_KNOB:
        cluster.pop(key, None)
    if share := cluster.pop("container-concurrency-target-percentage", None):
        # A share of 1 or a percentage; for rps Knative always takes 70 % unless the annotation says otherwise.
        percent = float(share) * (100 if float(share) <= 1 else 1)
        if said.get("metric") != "rps":
            said.setdefault("target-utilization-percentage", str(percent))
    knobs = Knobs(container_concurrency=case["container_concurrency"], **{_KNOB[k][0]: _KNOB[k][1](v) for k, v in said.items()})
    made = Cluster(**{_CLUSTER[key]: float(value) for key, value in cluster.items()})
    return knobs, decider_of(knobs, made, reachable=not case.get("unreachable"), algorithm=algorithm)


def bounds_of(knobs: Knobs, decider: Decider) -> list[int]:
    return [knobs.min_scale if decider.reachable else 0, knobs.max_scale]


def as_said(decider: Decider) -> dict[str, Any]:
    return {name: getattr(decider, name) for name in Decider.__slots__}


def said(case: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in case.items() if key not in {"decider", "bounds"}})


@pytest.mark.parametrize("case", VECTORS["resolve"], ids=said)
def test_knobs_become_what_the_reconciler_makes_of_them(case: dict[str, Any]) -> None:
    knobs, decider = settings_of(case)
    assert as_said(decider) == pytest.approx(case["decider"], abs=CLOSE)
    assert bounds_of(knobs, decider) == case["bounds"]


@pytest.mark.parametrize("case", VECTORS["buckets"], ids=lambda c: f"{c['name']}-{c['window_s']}-{c['weighted']}")
def test_averages_are_those_of_the_real_windows(case: dict[str, Any]) -> None:
    window = (WeightedAverage if case["weighted"] else LinearAverage)(case["window_s"])
    for op, at, *values in case["ops"]:
        if op == "rec":
            window.record(at, values[0])
        else:
            assert (window.average(at), window.empty(at)) == (pytest.approx(values[0], abs=CLOSE), bool(values[1])), (op, at)


@pytest.mark.parametrize("case", VECTORS["max"], ids=lambda c: f"{c['name']}-{c['duration_s']}-{c['granularity_s']}")
def test_maxima_are_those_of_the_real_window(case: dict[str, Any]) -> None:
    window = Maximum(case["duration_s"], case["granularity_s"])
    assert [window.record(at, value) for at, value, _ in case["ops"]] == [most for _, _, most in case["ops"]]


@pytest.mark.parametrize("case", VECTORS["scenarios"], ids=lambda c: c["name"])
def test_every_decision_is_the_real_one(case: dict[str, Any]) -> None:
    knobs, decider = settings_of(case)
    assert as_said(decider) == pytest.approx(case["decider"], abs=CLOSE)
    least, most = bounds_of(knobs, decider)
    assert [least, most] == case["bounds"]
    scaler, records = Autoscaler(decider, case["start_ready"]), list(case["records"])
    for row in case["ticks"]:
        tick = dict(zip(case["tick_columns"], row, strict=True))
        while records and records[0][0] <= tick["t"]:
            at, concurrency, proxied, requests, proxied_requests = records.pop(0)
            scaler.record(at, requests - proxied_requests if decider.metric == "rps" else concurrency - proxied)
        made = scaler.decide(tick["t"], tick["ready"])
        assert (made is not None) == bool(tick["valid"]), tick
        assert scaler.panicking == bool(tick["panicking"]), tick
        if made:
            assert (made.stable, made.panic) == (pytest.approx(tick["stable"], abs=CLOSE), pytest.approx(tick["panic"], abs=CLOSE)), tick
            assert (made.desired, made.excess_burst_capacity) == (tick["desired"], tick["ebc"]), tick
            assert bounded(made.desired, least, most) == tick["bounded"], tick


def test_nothing_of_the_vectors_was_left_out() -> None:
    assert sum(len(case["ticks"]) for case in VECTORS["scenarios"]) == VECTORS["meta"]["decisions"] == 2935
    assert (len(VECTORS["scenarios"]), len(VECTORS["buckets"]), len(VECTORS["max"]), len(VECTORS["resolve"])) == (39, 68, 20, 27)
