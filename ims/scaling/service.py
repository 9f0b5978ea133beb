"""A Service under load: requests come from a KafkaSource, from our own dispatcher or from clients, and pods work on them.

A second at a time. What a KafkaSource holds open is limited (49 a consumer, and a request keeps its place until it is answered,
also while it waits for a pod, for a provider or for its retry); what waits beyond that is lag.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ims.lanes import Lane
from ims.scaling.knobs import Feeding
from ims.scaling.measured import Delivery, StageCost
from ims.scaling.revision import Pod, Revision, admit, leave


@dataclass(frozen=True, slots=True)
class Batch:
    """What an event or a request carries."""

    lane: Lane
    messages: int
    posted: tuple[float, ...] = ()  # when its messages were POSTed; empty where nobody asks
    reported: bool = False  # a delivery report, not the outcome of the call
    times: int = 1  # it stands for so many like it, where only load and cost are asked for: a place is taken by one of them


Event = tuple[float, int, Batch]  # (available at, sequence number, batch)
Onward = Callable[[float, Batch], object]  # what is done with it when a stage has handled it

_QUEUE = 10  # requests that a queue-proxy lets wait, times containerConcurrency; beyond: 503, unless the activator holds them
_BEHIND_S = 0.05  # of work in front of each processor at the end of a second: then processors are what is waited for


@dataclass(slots=True)
class Rate:
    """An account's limit of recipients a second: a bucket of one second's worth, or of one call where that is more."""

    per_s: float  # 0: no limit
    full_at: float = 0.0  # when the bucket is full again

    def turn(self, at_s: float, messages: int) -> float:
        """When so many may go; they are taken."""
        if not self.per_s:
            return at_s
        spare = max(0.0, int(self.per_s) - messages) / self.per_s  # what may still be missing in the bucket
        turn = max(at_s, self.full_at - spare)
        self.full_at = max(self.full_at, turn) + messages / self.per_s
        return turn


@dataclass(slots=True)
class Line:
    """Who of a Service waits for the account's rate. Lanes have lines of their own, so that none takes the other's turn.

    Who would wait longer than `patience_s` for those before him is parked before anything is drawn, and comes again when there is room
    (ims.runtime.rates, ims.runtime.pace; its doubling and halving is left out, and so is that every pod has a line of its own).
    """

    rate: Rate
    patience_s: float = 20.0
    turns: deque[tuple[float, int]] = field(default_factory=deque)
    wanted: int = 0  # messages of all who stand in it

    def turn(self, at_s: float, messages: int) -> float | None:
        """When so many may go; None: not soon enough, and nothing is taken."""
        self._leave(at_s)
        if self.wanted and self.wanted + messages > self.patience_s * self.rate.per_s:
            return None
        turn = self.rate.turn(at_s, messages)
        if turn > at_s:
            self.turns.append((turn, messages))
            self.wanted += messages
        return turn

    def room(self, at_s: float) -> float:
        """Messages that could still stand in it."""
        self._leave(at_s)
        return self.patience_s * self.rate.per_s - self.wanted

    def _leave(self, at_s: float) -> None:
        while self.turns and self.turns[0][0] <= at_s:
            self.wanted -= self.turns.popleft()[1]


@dataclass(slots=True)
class Feed:
    """How events come: one window of open requests over all consumers, and a pace."""

    delivery: Delivery
    consumers: int
    policy: Feeding
    delays: list[float]
    places: list[float] = field(init=False)  # heap: when each is free
    next_at: float = 0.0
    _paces: dict[int, float] = field(default_factory=dict)
    silent: tuple[float, float] = (0.0, 0.0)  # from, to: the dispatcher restarts

    def __post_init__(self) -> None:
        self.places = [0.0] * (self.delivery.open_per_consumer * self.consumers)

    def opens(self, at_s: float, number: int) -> float:
        """When the request for an event that is there since `at_s` can be made."""
        opened = at_s + self.delays[number % len(self.delays)]
        opened = max(opened, self.places[0])
        opened = max(opened, self.next_at)
        return self.silent[1] if self.silent[0] <= opened < self.silent[1] else opened

    def retry_s(self, attempt: int) -> float:
        """The wait after so many attempts."""
        return self.policy.backoff_delay_s * (2**attempt if self.policy.backoff_policy == "exponential" else attempt)

    def pace_s(self, messages: int) -> float:
        """From one event to the next, over all consumers."""
        if messages not in self._paces:
            self._paces[messages] = 1 / (self.consumers * self.delivery.per_s(messages))
        return self._paces[messages]


@dataclass(slots=True)
class Service:
    """One Knative Service, what feeds it (None: HTTP) and where its outputs go."""

    name: str
    revision: Revision
    cost: StageCost
    waits: list[float]
    slowness: float = 1.0  # times the measured CPU: load, and a pod that may use less than a core
    feed: Feed | None = None
    line: Line | None = None  # for its provider's rate
    far: list[float] = field(default_factory=lambda: [0.0])  # answer times of the provider, or of the customer's endpoint
    gathers: bool = False  # what comes during a commit shares the next event (intake, of single messages)
    onward: Onward | None = None
    called: Onward | None = None  # the provider is called
    waiting: list[Event] = field(default_factory=list)  # heap: appended, not delivered
    load: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))  # second -> open requests in it, on average
    requests: int = 0  # that came in this second
    held_back: Counter[str] = field(default_factory=Counter)  # seconds in which events waited, by what they waited for
    handled: int = 0
    refused: int = 0  # 503 of a full queue-proxy
    parked: int = 0  # how often; some more than once
    held: deque[Batch] = field(default_factory=deque)  # parked, and not back yet
    delivering_s: float = 0.0  # of all its events: from the append to the request,
    queueing_s: float = 0.0  # for a place in a pod,
    working_s: float = 0.0  # and in it
    _sequence: int = 0
    _attempts: dict[int, int] = field(default_factory=dict)  # of refused events, by their number
    _cpu: dict[int, float] = field(default_factory=dict)  # seconds of an event, by its messages

    def put(self, at_s: float, batch: Batch) -> int:
        """Append an event, or make a request; its number."""
        self._sequence += 1
        heapq.heappush(self.waiting, (at_s, self._sequence, batch))
        return self._sequence

    def lag(self, now_s: float) -> int:
        """Events that are there and not delivered; those held are not."""
        return sum(1 for event in self.waiting if event[0] <= now_s)

    def step(self, now_s: float) -> None:
        """The second from now on: deliver what can be, then let the autoscaler look."""
        end = now_s + 1
        revision = self.revision
        revision.grow_ready(now_s)
        if self.held and self.line:
            self._release(self.line, now_s)
        if self.waiting and self.waiting[0][0] < end:
            if revision.ready:
                self._deliver(now_s, end)
            else:
                self._hold(now_s, end)
            for pod in revision.ready if self.gathers else ():
                if pod.gathering:
                    self._flush(pod)
            if self.waiting and self.waiting[0][0] < now_s:
                self.held_back[self._reason(now_s, end)] += 1
        if self.held:
            self.held_back["provider rate"] += 1
        second = int(now_s)
        load, requests, self.requests = self.load.pop(second, None), self.requests, 0
        seen: float | None = load
        if load is None and revision.ready:
            seen = 0.0
        if seen is not None and revision.knobs.metric == "rps":
            seen = float(requests)
        revision.step(end, seen)

    def _deliver(self, now_s: float, end: float) -> None:
        feed, ready = self.feed, self.revision.ready
        waiting, pods = self.waiting, len(ready)
        full = (_QUEUE + 1) * self.revision.knobs.container_concurrency * pods
        crowded = feed is not None and 0 < full < len(feed.places) and not self.revision.activator
        while waiting and waiting[0][0] < end:
            at, sequence, batch = waiting[0]
            opened = feed.opens(at, self.handled) if feed else at
            if opened >= end:
                return
            opened = max(opened, now_s)
            if feed:
                feed.next_at = opened + feed.pace_s(batch.messages) * batch.times
            heapq.heappop(waiting)
            self.handled += batch.times
            self.requests += batch.times
            if crowded and feed and sum(1 for place in feed.places if place > opened) >= full:
                self.refused += 1
                attempt = self._attempts.pop(sequence, 0) + 1
                back = opened + feed.retry_s(attempt)
                heapq.heapreplace(feed.places, back)  # its place stays taken until the retry
                self._attempts[self.put(back, batch)] = attempt
                continue
            left = self._work(ready[self.handled % pods], opened, batch)
            self.delivering_s += (opened - at) * batch.times
            if feed:
                heapq.heapreplace(feed.places, left)
            self._note(opened, left, batch.times)

    def _work(self, pod: Pod, opened: float, batch: Batch) -> float:
        """One request in one pod; when it is answered."""
        if batch.messages not in self._cpu:
            self._cpu[batch.messages] = self.cost.cpu_s(batch.messages) * self.slowness
        begins, done = admit(pod, opened, self._cpu[batch.messages] * batch.times)
        wait, far = self.waits[self.handled % len(self.waits)], self.far[self.handled % len(self.far)]
        self.queueing_s += (begins - opened) * batch.times
        if self.line is not None:
            left = self._send(self.line, done, wait, far, batch)
        elif self.gathers:
            left = self._gather(pod, done, wait, batch)
        else:
            left = done + wait + far
            if self.onward:
                self.onward(left, batch)
        self.working_s += (left - begins) * batch.times
        leave(pod, left)
        return left

    def _send(self, line: Line, at_s: float, wait: float, far: float, batch: Batch) -> float:
        """Draw the account's rate, write the call down, make it, write what came of it."""
        turn = line.turn(at_s, batch.messages)
        if turn is None:
            self.parked += 1
            self.held.append(batch)
            return at_s + wait
        call = turn + wait / 2  # of its two commits one is before the call
        if self.called:
            self.called(call, batch)
        left = call + far + wait / 2
        if self.onward:
            self.onward(left, batch)
        return left

    def _release(self, line: Line, now_s: float) -> None:
        """Give back to the topic what would come to its turn now."""
        room = line.room(now_s)
        while self.held and room >= self.held[0].messages:
            room -= self.held[0].messages
            self.put(now_s, self.held.popleft())

    def _gather(self, pod: Pod, at_s: float, wait: float, batch: Batch) -> float:
        """What comes while a pod commits goes into its next event; a lone one waits for nothing."""
        if pod.gathering and at_s >= pod.commit_end:
            self._flush(pod)
        if at_s >= pod.commit_end:
            pod.commit_end = at_s + wait
            if self.onward:
                self.onward(pod.commit_end, batch)
            return pod.commit_end
        if not pod.gathering:
            pod.gathered_at = pod.commit_end + wait
        pod.gathering.setdefault(batch.lane, []).extend(batch.posted)
        return pod.gathered_at

    def _flush(self, pod: Pod) -> None:
        """What has gathered is committed."""
        pod.commit_end = pod.gathered_at
        for lane, posted in pod.gathering.items():
            if self.onward:
                self.onward(pod.commit_end, Batch(lane, len(posted), tuple(posted)))
        pod.gathering = {}

    def _hold(self, now_s: float, end: float) -> None:
        """No pod: the activator holds what is delivered to it, and the autoscaler hears of it at once."""
        most = len(self.feed.places) if self.feed else len(self.waiting)
        held = sorted(event[0] for event in self.waiting if event[0] < end)[:most]
        self.load[int(now_s)] += sum(end - max(now_s, at) for at in held)
        self.requests += sum(1 for at in held if at >= now_s)

    def _note(self, opened: float, left: float, times: int) -> None:
        """Spread a request over the seconds in which it was open."""
        first, last = int(opened), int(left)
        if first == last:
            self.load[first] += (left - opened) * times
            return
        self.load[first] += (first + 1 - opened) * times
        for second in range(first + 1, last):
            self.load[second] += times
        self.load[last] += (left - last) * times

    def _reason(self, now_s: float, end: float) -> str:
        """What the oldest waiting event waits for."""
        revision, feed = self.revision, self.feed
        if not revision.ready:
            return "cold start"
        if feed and feed.silent[0] <= now_s < feed.silent[1]:
            return "restart of the dispatcher"
        if self.line and self.line.turns and self.line.turns[-1][0] > end + 1:
            return "provider rate"
        behind = sum(pod.cpu_free - end for pod in revision.ready) / len(revision.ready)
        if behind > _BEHIND_S:
            return "processors"
        if feed and feed.places[0] < end:
            return "pace of the consumers"
        if all(pod.places[0] >= end for pod in revision.ready):
            return "container_concurrency"
        return "open requests"
