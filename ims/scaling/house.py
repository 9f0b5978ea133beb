"""All Services of an autoscaling.yaml, joined as the stages are: who emits to whom, who shares a provider's rate."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from ims.lanes import TRAITS, Lane
from ims.scaling.measured import Measured, spread
from ims.scaling.revision import Revision
from ims.scaling.scenario import Scenario
from ims.scaling.service import Batch, Feed, Line, Onward, Rate, Service
from ims.scaling.settings import HTTP, Autoscaling, Workload

_TAIL = 2.0  # p90 of the far ends is so many times their p50: an assumption, nobody has measured a carrier for us
_THINNED = 8  # singles behind the provider are played as one of so many: nobody asks for the latency of each
_FLUSHES = 4  # times a second at which a process sends its traces on (ims.runtime.tracing)
_TRACES = 200  # in one event, at most


@dataclass(slots=True)
class Lanewise:
    """What became of a lane's messages; times in seconds from the start."""

    called: int = 0  # messages handed to the provider
    settled: int = 0  # results told
    last_call: float = 0.0
    last_settled: float = 0.0
    took: list[tuple[float, float]] = field(default_factory=list)  # (call, from the POST to it), of messages whose POST is known


class House:
    """Built once for a run; `step` plays a second of it."""

    def __init__(self, settings: Autoscaling, scenario: Scenario, measured: Measured) -> None:
        self.scenario = scenario
        self.lanes = {lane: Lanewise() for lane in Lane}
        self._settings = settings
        self._measured = measured
        self._rng = random.Random(scenario.seed)  # noqa: S311 - a simulation's
        self._rates = {True: Rate(scenario.fast_rate), False: Rate(scenario.bulk_rate)}
        self.services = {w.name: self._service(w) for w in settings.workloads}
        # Without singles everything of their lanes rests: trials of campaigns leave it out.
        singles = scenario.codes_per_s > 0 or scenario.realtime_per_s > 0
        self._played = [self.services[w.name] for w in settings.workloads if singles or not (w.lane and TRAITS[w.lane].reserved)]
        self._route = {lane: self._of("route", lane) for lane in Lane}
        self._traced: Counter[str] = Counter()
        for name in HTTP[:2]:
            self.services[name].onward = self._accepted
        for lane in Lane:
            self._join(lane)
        self._join_receipt()

    def step(self, now_s: float) -> None:
        """The second from now on, in the order of a message's way."""
        for service in self._played:
            if service.name == "analyze":
                self._send_traces(now_s)
            service.step(now_s)

    def _of(self, stage: str, lane: Lane | None = None) -> Service:
        return self.services[self._settings.of(stage, lane).name]

    def _service(self, workload: Workload) -> Service:
        m, s, lane = self._measured, self.scenario, workload.lane
        cost = m.stages[workload.stage]
        revision = Revision(workload.knobs, m.cold_start.platform_s + m.cold_start.ours_s, fresh=s.fresh)
        service = Service(workload.name, revision, cost, cost.waits(self._rng), gathers=workload.stage == "intake")
        service.slowness = m.under_load.factor / revision.speed
        if workload.stage not in HTTP:
            service.feed = self._feed(lane)
        if workload.stage == "callback":
            service.far = spread(s.endpoint_ms / 1e3, s.endpoint_ms * _TAIL / 1e3, self._rng)
        if lane and workload.stage.startswith("send_"):
            service.line = Line(self._rates[TRAITS[lane].reserved])
            service.far = spread(s.provider_ms / 1e3, s.provider_ms * _TAIL / 1e3, self._rng)
        return service

    def _feed(self, lane: Lane | None) -> Feed:
        s, feeding = self.scenario, self._settings.feeding
        own = lane in s.dispatch
        delivery = self._measured.dispatch if own else self._measured.kafkasource
        delays = spread(delivery.p50_ms / 1e3, delivery.p90_ms / 1e3, self._rng)
        feed = Feed(delivery, min(feeding.dispatcher_pods, feeding.partitions), feeding, delays)
        if s.dispatcher_restart_s is not None and not own:
            at = float(s.dispatcher_restart_s - s.starts_s)
            feed.silent = (at, at + delivery.silence_s)
        return feed

    def _accepted(self, at: float, batch: Batch) -> None:
        """Intake cuts what it accepted into events."""
        most, route = self.scenario.event_messages, self._route[batch.lane]
        if batch.messages <= most:
            route.put(at, batch)
            return
        for start in range(0, batch.messages, most):
            route.put(at, Batch(batch.lane, min(most, batch.messages - start)))

    def _join(self, lane: Lane) -> None:
        """Texts go by send_mt; AlimTalk is the same way over send_kakao, which stays idle here."""
        book, route, send = self.lanes[lane], self._route[lane], self._of("send_mt", lane)
        report, callback, store, receipt = (self._of(stage, lane) for stage in ("report", "callback", "store", "receipt"))
        delay_s = self.scenario.report_s

        def called(at: float, batch: Batch) -> None:
            book.called += batch.messages
            book.last_call = max(book.last_call, at)
            book.took.extend((at, at - posted) for posted in batch.posted)

        thinned = Counter({"outcomes": 0, "reports": 0})

        def sent(at: float, batch: Batch) -> None:
            if not TRAITS[lane].reserved:
                report.put(at, batch)
                report.put(at + delay_s, replace(batch, reported=True))  # polled, and as many together as were sent
                return
            thinned["outcomes"] += 1
            thinned["reports"] += batch.messages  # by webhook, one POST a message
            if thinned["outcomes"] >= _THINNED:
                report.put(at, Batch(lane, 1, times=thinned["outcomes"]))
                receipt.put(at + delay_s, Batch(lane, 1, reported=True, times=thinned["reports"]))
                thinned.clear()

        def folded(at: float, batch: Batch) -> None:
            if batch.reported:
                callback.put(at, batch)
                store.put(at, batch)

        def told(at: float, batch: Batch) -> None:
            book.settled += batch.messages * batch.times
            book.last_settled = max(book.last_settled, at)

        route.onward, send.onward, send.called = send.put, sent, called
        report.onward, callback.onward = folded, told

    def _join_receipt(self) -> None:
        reports = {lane: self._of("report", lane) for lane in Lane}
        onward: Onward = lambda at, batch: reports[batch.lane].put(at, batch)  # noqa: E731 - one line, used once
        self._of("receipt").onward = onward

    def _send_traces(self, now_s: float) -> None:
        """One trace for an event and stage; a pod sends on what it has a few times a second."""
        analyze = self.services["analyze"]
        for name, service in self.services.items():
            traces, self._traced[name] = service.handled - self._traced[name], service.handled
            if not traces or not service.feed or service is analyze:
                continue
            parts = max(min(traces, _FLUSHES * max(1, len(service.revision.ready))), -(-traces // _TRACES))
            for part in range(parts):
                size = traces // parts + (part < traces % parts)
                analyze.put(now_s + (part + 0.5) / parts, Batch(Lane.MASS, size))
