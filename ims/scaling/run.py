"""Plays a scenario through a house, second by second, and keeps what an operator asks for."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from ims.lanes import TRAITS, Lane
from ims.scaling.house import House
from ims.scaling.knobs import millicores
from ims.scaling.measured import Measured
from ims.scaling.scenario import LEAD_S, Scenario
from ims.scaling.service import Batch
from ims.scaling.settings import Autoscaling

SAMPLE_S = 10  # between two points of the series
_PEAK_S = 600  # a peak of codes lasts the first ten minutes
_REST_S = 300  # after the last result nothing but idle pods is to be seen; the run ends here at the latest


@dataclass(slots=True)
class Series:
    """Points every SAMPLE_S."""

    at_s: list[int] = field(default_factory=list)
    pods: dict[str, list[int]] = field(default_factory=dict)
    lag: dict[str, list[int]] = field(default_factory=dict)  # events
    to_send: list[int] = field(default_factory=list)  # recipients of campaigns that have begun, not handed to the provider yet
    auth_p99_ms: list[float | None] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """What happened."""

    scenario: Scenario
    settings: Autoscaling
    house: House
    series: Series
    seconds: int
    recipients: int

    @property
    def pod_hours(self) -> dict[str, float]:
        """By Service."""
        return {name: service.revision.pod_seconds / 3600 for name, service in self.house.services.items()}

    @property
    def cpu_hours(self) -> float:
        """What the pods ask the cluster for, in core hours."""
        knobs = {w.name: w.knobs for w in self.settings.workloads}
        return sum(hours * millicores(knobs[name].cpu_request) / 1000 for name, hours in self.pod_hours.items())

    @property
    def idle_pods(self) -> int:
        """The reserve: pods that are there when nothing happens."""
        return sum(w.knobs.min_scale for w in self.settings.workloads)

    def campaign_s(self) -> float | None:
        """From the first campaign's start until the last recipient was handed to the provider; None: not all were."""
        bulk = [book for lane, book in self.house.lanes.items() if not TRAITS[lane].reserved]
        if not self.recipients or sum(book.called for book in bulk) < self.recipients:
            return None
        return max(book.last_call for book in bulk) - LEAD_S


def play(settings: Autoscaling, scenario: Scenario, measured: Measured) -> Run:
    """Until everything is told and pods have come to rest, or the scenario's time is over."""
    house = House(settings, scenario, measured)
    start, rng = scenario.starts_s, random.Random(scenario.seed + 1)  # noqa: S311 - a simulation's
    recipients = 0
    for campaign in scenario.campaigns:
        recipients += campaign.recipients
        _upload(house, campaign.at_s - start, campaign.recipients, campaign.lane, scenario)
    series = Series()
    least = scenario.seconds or max((c.at_s - start for c in scenario.campaigns), default=0) + _PEAK_S
    quiet_since: int | None = None
    now = 0
    while now < scenario.longest_s:
        peak = scenario.peak if any(0 <= now - (c.at_s - start) < _PEAK_S for c in scenario.campaigns) else 1.0
        _single(house, now, scenario.codes_per_s * peak, Lane.AUTH, rng)
        _single(house, now, scenario.realtime_per_s * peak, Lane.REALTIME, rng)
        house.step(now)
        now += 1
        if not now % SAMPLE_S:
            _sample(house, series, now, scenario)
        if not scenario.seconds:
            settled = sum(book.settled for lane, book in house.lanes.items() if not TRAITS[lane].reserved)
            quiet_since = None if settled < recipients or now < least else quiet_since if quiet_since is not None else now
            if quiet_since is not None and now - quiet_since >= _REST_S:
                break
    _percentiles(house, series)
    return Run(scenario, settings, house, series, now, recipients)


def _upload(house: House, at_s: int, recipients: int, lane: Lane, scenario: Scenario) -> None:
    """Requests of a campaign, evenly over the time of its upload."""
    intake, rows = house.services["intake-bulk"], scenario.upload_rows
    for sent in range(0, recipients, rows):
        intake.put(at_s + sent / scenario.upload_per_s, Batch(lane, min(rows, recipients - sent)))


def _single(house: House, now: int, per_s: float, lane: Lane, rng: random.Random) -> None:
    """Single requests at random moments."""
    if per_s <= 0:
        return
    intake, at = house.services["intake"], now + rng.expovariate(per_s)
    while at < now + 1:
        intake.put(at, Batch(lane, 1, (at,)))
        at += rng.expovariate(per_s)


def _sample(house: House, series: Series, now: int, scenario: Scenario) -> None:
    series.at_s.append(now)
    for name, service in house.services.items():
        series.pods.setdefault(name, []).append(len(service.revision.pods))
        series.lag.setdefault(name, []).append(service.lag(now))
    begun = sum(
        min(c.recipients, int((now - (c.at_s - scenario.starts_s)) * scenario.upload_per_s))
        for c in scenario.campaigns
        if now > c.at_s - scenario.starts_s
    )
    called = sum(book.called for lane, book in house.lanes.items() if not TRAITS[lane].reserved)
    series.to_send.append(max(0, begun - called))


def _percentiles(house: House, series: Series) -> None:
    """p99 of the codes that were handed over in each interval."""
    found: dict[int, list[float]] = {}
    for at, waited in house.lanes[Lane.AUTH].took:
        found.setdefault(int(at) // SAMPLE_S, []).append(waited)
    intervals = (found.get(at // SAMPLE_S - 1) for at in series.at_s)
    series.auth_p99_ms = [percentile(took, 0.99) * 1e3 if took else None for took in intervals]


def percentile(values: list[float], share: float) -> float:
    """The value that this share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
