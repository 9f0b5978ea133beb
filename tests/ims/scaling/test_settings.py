"""autoscaling.yaml: who wins, and what is refused with which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ims.errors import Misconfigured
from ims.lanes import Lane
from ims.scaling.knobs import Knobs
from ims.scaling.settings import ALL_LANES, HTTP, places, read
from ims.serve.app import NAMES
from ims.topics import STAGES

FILE = Path(__file__).resolve().parents[3] / "knative" / "autoscaling.yaml"


def refused(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as found:
        read(text, "a.yaml")
    return str(found.value).splitlines()


def test_the_file_of_the_repository_is_right_and_reserves_what_may_not_wait() -> None:
    settings = read(FILE.read_text(), FILE.name)
    fast = [w for w in settings.workloads if w.lane in {Lane.AUTH, Lane.REALTIME} or w.stage in {"intake", "receipt"}]
    assert all(w.knobs.min_scale >= 2 for w in fast)
    assert all(w.knobs.min_scale == 0 for w in settings.workloads if w.lane in {Lane.MASS, Lane.AD})


def test_every_service_of_the_house_is_there_once() -> None:
    found = list(places())
    assert len(found) == len(set(found))
    assert {stage for stage, _ in found} == set(STAGES) | set(HTTP)
    assert {stage for stage, _ in found if stage != "intake-bulk"} == set(NAMES)
    assert all((lane is None) == (stage in ALL_LANES) for stage, lane in found)


def test_an_empty_file_is_what_knative_does_by_itself() -> None:
    settings = read("")
    assert {w.knobs for w in settings.workloads} == {Knobs()}
    assert settings.of("route", Lane.AUTH).name == "route-auth"
    assert settings.of("send_mt", Lane.AD).name == "send-mt-ad"
    assert settings.of("intake", Lane.AD).name == settings.of("intake").name == "intake"
    with pytest.raises(KeyError):
        settings.of("send_fax", Lane.AD)


def test_the_more_particular_word_wins() -> None:
    settings = read("""
defaults:
  bulk: {max_scale: 5, window_s: 30}
services:
  route:
    bulk: {max_scale: 6}
    ad: {max_scale: 7}
""")
    assert [settings.of("route", lane).knobs.max_scale for lane in Lane] == [0, 0, 6, 7]
    assert settings.of("store", Lane.AD).knobs.max_scale == 5
    assert settings.of("route", Lane.AD).knobs.window_s == 30


@pytest.mark.parametrize(
    ("knobs", "line", "said"),
    [
        ("window_s: 5", 3, "window_s: Input should be greater than or equal to 6, not 5"),
        ("window_s: 60.5", 3, "window_s: Input should be a valid integer, not 60.5"),
        ("max_scale: '9'", 3, "max_scale: Input should be a valid integer, not '9'"),
        ("max_scale: true", 3, "max_scale: Input should be a valid integer, not True"),
        ("maxScale: 9", 3, "maxScale: no such knob"),
        ("target: 0", 3, "target: Input should be greater than or equal to 0.01, not 0"),
        ("target: .inf", 3, "target: Input should be a finite number, not inf"),
        ("container_concurrency: 1001", 3, "container_concurrency: Input should be less than or equal to 1000, not 1001"),
        ("panic_threshold_percent: 100", 3, "panic_threshold_percent: Input should be greater than or equal to 110, not 100"),
        ("metric: memory", 3, "metric: Input should be 'concurrency' or 'rps', not 'memory'"),
        ("min_scale: 3; max_scale: 2", 4, "max_scale: 2 is below min_scale 3"),
        ("max_scale: 2; initial_scale: 3", 4, "initial_scale: 3 is above max_scale 2"),
        ("activation_scale: 1", 3, "activation_scale: 1 is what happens anyway; Knative wants 2 or more"),
        ("max_scale: 2; activation_scale: 3", 4, "activation_scale: 3 is not between min_scale and max_scale"),
        ("container_concurrency: 5; target: 6", 4, "target: 6 is above container_concurrency 5, which decides"),
        ("target_burst_capacity: -0.5", 3, "target_burst_capacity: -1, 0 or more"),
        ("delivery_timeout_s: 90; timeout_s: 90", 3, "delivery_timeout_s: 90 must be below timeout_s 90"),
        ("cpu_request: 2000m", 3, "cpu_limit: 1000m is below cpu_request 2000m"),
        ("memory_limit: 64Mi", 3, "memory_limit: 64Mi is below memory_request 128Mi"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(knobs: str, line: int, said: str) -> None:
    lines = refused("defaults:\n  bulk:\n    " + knobs.replace("; ", "\n    "))
    assert f"a.yaml:{line}: route mass: {said}" in lines
    assert f"a.yaml:{line}: callback ad: {said}" in lines
    assert not [found for found in lines if "auth" in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults:\n  all: {}\n  slow: {}\n", "a.yaml:3: defaults: slow is none of reserved, bulk, all"),
        ("services:\n  rout:\n    bulk: {}\n", "a.yaml:2: services: rout is none of intake, intake-bulk, route, "),
        ("services:\n  analyze:\n    bulk: {}\n", "a.yaml:3: services.analyze: bulk is none of all"),
        ("services:\n  route:\n    bulk: {max_scale: 1}\n    bulk: {max_scale: 2}\n", "a.yaml:4: services.route: bulk is written twice"),
        ("services:\n  route: [1]\n", "a.yaml:2: services.route: names with values are meant here"),
        ("feeding:\n  backoff_delay_s: 0.25\n", "a.yaml:2: feeding: backoff_delay_s: 0.25: Knative keeps one decimal"),
        ("feeding:\n  retry: 0\n", "a.yaml:2: feeding: retry: Input should be greater than or equal to 1, not 0"),
        ("feeding:\n  dispatcher_pods: 20\n", "a.yaml:2: feeding: dispatcher_pods: 20 consumers can not share 12 partitions"),
        ("feeding: {\n", "a.yaml:2: expected the node content, but found '<stream end>'"),
    ],
)
def test_what_means_nothing_is_refused_with_its_line(text: str, said: str) -> None:
    assert [line for line in refused(text) if line.startswith(said)]


def test_all_that_is_wrong_is_said_at_once() -> None:
    lines = refused("feeding: {retry: 0}\nservices:\n  intake:\n    all: {window_s: 1}\n  store: {ad: {window_s: 2, metric: x}}\n")
    assert [line.partition(": ")[0] for line in lines] == ["a.yaml:1", "a.yaml:4", "a.yaml:5", "a.yaml:5"]
