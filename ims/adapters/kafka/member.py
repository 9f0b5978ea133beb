"""One membership of a consumer group: joins, fetches, commits and leaves on the library's own I/O thread.

`KafkaConsumer.poll` is not used. It hands over between two threads while responses come in, and a response that comes at the wrong moment
lies there until the next one, or leaves its partition out of the request that is about to wait at the broker; the longer a fetch may
wait there, the longer that takes. But only long fetches make thirty idle consumers cost nothing. Here every step runs on the I/O
thread, where responses are taken in too, so nothing comes between. The price is that this file speaks to parts of kafka-python that
are not its public face (of the pinned version; tests/contracts/log holds them). docs/decisions/0006-kafka-client.md has the numbers.

Cooperative rebalances: who keeps a partition goes on with it, undisturbed and without duplicates; only partitions that move are revoked.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.net.wakeup_notifier import WakeupNotifier

from ims.adapters.kafka.connection import MAX_RECORD_BYTES, KafkaConnection
from ims.adapters.kafka.messages import to_delivery
from ims.adapters.kafka.progress import Partition, Progress
from ims.ports.log import Delivery

FETCH_WAIT_S = 5.0  # an idle fetch waits as long at the broker
SESSION_S = 10.0  # as the real dispatcher: who dies is missed after this
HANG_S = 60.0  # an event loop that has not been heard of for so long leaves the group to others
WEDGED_S = 90.0  # a member that could not read all that is its own for so long is replaced; a join may take HANG_S of another member
_AWAY_S = 5.0  # longer than a step
_STEP_S = 3.5
_AFTER_HEARTBEAT_S = 0.1  # its answer says that the group is being shared out anew
_PAUSE_S = 0.01
_EVERYTHING = 1_000_000
_FETCH_BYTES = 2 * 1024 * 1024
_REQUEST_S = 20.0
_METADATA_MS = 60_000  # new partitions are read after a minute at most
_CLOSE_S = 5.0
_JOIN_MS = 300  # then it is looked whether we still want to; what is on its way goes on
_HANDOVER_S = 2.0


class Member(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Until it is closed, or something breaks that only a new one mends (`ended`, `error`)."""

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Collection[str],
        client_id: str,
        progress: Progress,
        *,
        arrived: Callable[[list[Delivery]], None],
        full: Callable[[], bool],
        forget: Callable[[Collection[Partition]], int],
        heard: Callable[[], float],
        session_s: float = SESSION_S,
        hang_s: float = HANG_S,
    ) -> None:
        """Blocks for at most the connection's bootstrap time-out, and raises the library's errors."""
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self._group = group
        self._ours = connection.ours
        self._topics = tuple(map(connection.named, topics))
        self._progress = progress
        self._arrived = arrived
        self._full = full
        self._forget = forget  # of the buffer; how many records it dropped
        self._heard = heard  # when the event loop last showed itself
        self._hang_s = hang_s
        self._closing = False
        self._kafka = KafkaConsumer(
            **connection.client(client_id),
            group_id=connection.named(group),
            metrics_enabled=False,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=int(session_s * 1000),
            heartbeat_interval_ms=int(session_s * 300),
            max_poll_interval_ms=int(hang_s * 1000),
            fetch_max_wait_ms=int(FETCH_WAIT_S * 1000),
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
            request_timeout_ms=int(_REQUEST_S * 1000),
            metadata_max_age_ms=_METADATA_MS,
        )
        self._kafka.subscribe(topics=list(self._topics), listener=self)
        self._manager = self._kafka._manager
        self._coordinator = self._kafka._coordinator
        self._fetcher = self._kafka._fetcher
        self._state = self._kafka._subscription
        self._wakeup = WakeupNotifier(self._kafka._net)
        self._assignments = 0
        self._new: set[TopicPartition] = set()  # assigned, not yet asked for at a broker
        self._positions: dict[TopicPartition, int] = {}
        self._joining: Any = None
        self._locating: Any = None
        self._stepped = self._answered = self._connected = self._well = time.monotonic()
        self._manager.cluster.add_listener(self._again)
        self._manager.call_soon(self._run)

    # -- on any thread

    def wake(self) -> None:
        """Look again: there is room, or something to do."""
        try:
            self._wakeup.notify()
        except (RuntimeError, errors.KafkaError):
            return  # it has ended

    def away(self) -> bool:
        """Whether the log does not answer."""
        now = time.monotonic()
        silent = self._fetcher.in_flight_fetches() and now - self._answered > FETCH_WAIT_S + _AWAY_S
        return now - self._connected > _AWAY_S or silent

    def commit(self, offsets: Mapping[Partition, int]) -> Any:
        """Store them; a future of the library."""
        return self._manager.call_soon(self._commit, offsets)

    def lag(self) -> Any:
        """Records of our partitions that are not finished; a future of the library."""
        return self._manager.call_soon(self._lag)

    def stop(self) -> None:
        """Take nothing more; `ended` follows."""
        self._closing = True
        self.wake()

    def stuck(self) -> bool:
        """Whether the I/O thread is not at work any more."""
        return time.monotonic() - self._stepped > _REQUEST_S

    def close(self) -> None:
        """Store how far it came, leave the group. Blocks for some seconds; for ever only on a stuck one."""
        until = time.monotonic() + 2 * _JOIN_MS / 1000
        while self._joining is not None and not self._joining.is_done and time.monotonic() < until:
            time.sleep(_PAUSE_S)  # one that joins after it has left is missed by the others until its session ends
        self._kafka.close(autocommit=False, timeout_ms=int(_CLOSE_S * 1000))

    # -- on the I/O thread

    async def _run(self) -> None:
        try:
            while not self._closing:
                await self._step()
        except Exception as exc:
            self.error = exc
        finally:
            self.ended.set()

    async def _step(self) -> None:
        began = time.monotonic()
        if any(connection.connected for connection in self._manager._conns.values()):
            self._connected = began
        if began - self._heard() > self._hang_s:
            raise TimeoutError("the event loop hangs")
        self._take_part()
        self._coordinator.poll_heartbeat()
        self._find_positions()
        self._ask_for_new()
        self._look_at_itself(began)
        got = False
        if not self._full():
            got = self._take()
            if not self._fetcher.in_flight_fetches():
                self._answered = began
            for sent in await self._fetcher._send_fetches_async():
                sent.add_callback(self._fetched)
                sent.add_both(self._again)
        if not got and began - self._stepped < _PAUSE_S:
            await self._kafka._net.sleep(_PAUSE_S)  # a broker that answers at once with an error does not make us spin
        self._stepped = began
        await self._wakeup(min(_STEP_S, self._coordinator.time_to_next_heartbeat() + _AFTER_HEARTBEAT_S))

    def _look_at_itself(self, now: float) -> None:
        """The library waits for ever for an answer that it lost, and says nothing; a new member asks anew."""
        reads = self._joining is None and all(self._state.is_fetchable(p) for p in self._state.assigned_partitions())
        if reads and not self.away():
            self._well = now
        elif now - self._well > WEDGED_S:
            raise TimeoutError("it reads nothing")

    def _fetched(self, _response: object) -> None:
        self._answered = time.monotonic()

    def _again(self, _result: object) -> None:
        self._wakeup.notify()

    def _take_part(self) -> None:
        """Be in the group. Joining goes on beside fetching: what stays ours is read on."""
        if self._joining is not None:
            if not self._joining.is_done:
                return
            joined, self._joining = self._joining, None
            if joined.failed():
                raise joined.exception
        if self._coordinator.coordinator_unknown() or self._coordinator.need_rejoin():
            self._joining = self._manager.call_soon(self._join)
            self._joining.add_both(self._again)

    async def _join(self) -> None:
        """Knowing the topics: who leads a group without knowing them shares out nothing, and all join again."""
        cluster = self._manager.cluster
        if any(cluster.partitions_for_topic(topic) is None for topic in self._topics):
            with contextlib.suppress(errors.KafkaError):
                await self._manager.wait_for(cluster.request_update(), _AWAY_S * 1000)
        while not self._closing and not await self._coordinator.ensure_active_group_async(_JOIN_MS):
            pass

    def _find_positions(self) -> None:
        """From where each partition is read: the group's stored offset, else the earliest."""
        if self._locating is not None:
            if not self._locating.is_done:
                return
            located, self._locating = self._locating, None
            if located.failed() and not located.retriable():
                raise located.exception
        if not self._state.has_all_fetch_positions():
            self._locating = self._manager.call_soon(self._locate)
            self._locating.add_both(self._again)
        for task in (self._fetcher.reset_offsets_if_needed(), self._validation()):
            if task is not None:
                task.add_both(self._again)

    def _validation(self) -> Any:
        self._fetcher.maybe_validate_positions()
        return self._fetcher.validate_offsets_if_needed()

    async def _locate(self) -> None:
        asked = set(self._state.missing_fetch_positions())
        if not asked:
            return
        seen = self._assignments
        stored = await self._coordinator.fetch_committed_offsets_async(asked, timeout_ms=_REQUEST_S * 1000)
        if seen != self._assignments:
            return  # whose they are has changed meanwhile: what was read may be old
        for partition in asked:
            if partition in stored:
                self._state.seek(partition, stored[partition].offset)
            else:
                self._state.request_offset_reset(partition)

    def _ask_for_new(self) -> None:
        """A fetch that waits at a broker knows nothing of partitions that came since: cut it off, the next one asks for them too."""
        for partition in [p for p in self._new if self._state.is_fetchable(p)]:
            self._new.discard(partition)
            node = self._manager.cluster.leader_for_partition(partition)
            if node in self._fetcher._nodes_with_pending_fetch_requests:
                self._manager.close(node_id=node)

    def _take(self) -> bool:
        """Hand what has come in over to the event loop."""
        records, _ = self._fetcher.fetched_records(_EVERYTHING)
        deliveries: list[Delivery] = []
        for partition in list(self._state.assigned_partitions()):
            got = records.get(partition, ())
            position = self._state.assignment[partition].position
            if position is None or (not got and self._positions.get(partition) == position.offset):
                continue
            self._positions[partition] = position.offset
            self._progress.took(Partition(*partition), [r.offset for r in got], position.offset)
            topic = self._ours(partition.topic)
            deliveries += [to_delivery(self._group, topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in got]
        if deliveries:
            self._arrived(deliveries)
        return bool(deliveries)

    async def _commit(self, offsets: Mapping[Partition, int]) -> None:
        await self._coordinator._send_offset_commit_request(
            {TopicPartition(*p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
        )
        self._progress.stored(offsets)

    async def _lag(self) -> int:
        lows = self._progress.lows()
        ends: dict[TopicPartition, int] = {}
        ask = []
        for partition in list(self._state.assigned_partitions()):
            state = self._state.assignment[partition]
            if state.position is None:
                continue
            if state.highwater is None or self._full():
                ask.append(partition)  # nothing is being fetched that would tell
            else:
                ends[partition] = state.highwater
            lows.setdefault(Partition(*partition), state.position.offset)
        if ask:
            told = await self._fetcher._fetch_offsets_by_times_async(dict.fromkeys(ask, -1), _REQUEST_S * 1000)
            ends |= {partition: offset.offset for partition, offset in told.items()}
        return sum(max(0, end - lows[Partition(*partition)]) for partition, end in ends.items() if Partition(*partition) in lows)

    # -- what the library tells, on the I/O thread

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """They are read as soon as their positions are known."""
        self._assignments += 1
        self._new |= set(assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Give what is open a moment to finish, so that the next member gets few of it again; then store how far we came."""
        partitions = self._gone(revoked)
        dropped = self._forget(partitions)
        until = time.monotonic() + _HANDOVER_S
        while not self._closing and self._progress.unfinished(partitions) > dropped and time.monotonic() < until:
            await self._kafka._net.sleep(_PAUSE_S)
        if offsets := self._progress.moved(partitions):
            with contextlib.suppress(errors.KafkaError):  # they come again, to whoever has them then
                await self._manager.wait_for(self.commit(offsets), _CLOSE_S * 1000)
        self._progress.lost(partitions)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Somebody else has them already."""
        partitions = self._gone(lost)
        self._forget(partitions)
        self._progress.lost(partitions)

    def _gone(self, partitions: Iterable[TopicPartition]) -> list[Partition]:
        self._assignments += 1
        for partition in partitions:
            self._new.discard(partition)
            self._positions.pop(partition, None)
        return [Partition(*p) for p in partitions]
