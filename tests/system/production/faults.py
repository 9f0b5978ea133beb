"""What is done to a production installation under load. Each says in words what it did; it returns when all that it broke is back."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from apart import DISPATCHERS, FUNCTIONS, Apart
from harness import Home, eventually
from kafka import errors
from load import Stream
from world import ServerBooks, Servers

BEYOND_DELIVERY_S = 130  # the library's delivery time-out of our producers is 120 s (ims/adapters/kafka/producer.py)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a fault happens."""

    servers: Servers
    installation: Home | Apart
    books: ServerBooks
    load: Stream
    chance: random.Random

    @property
    def home(self) -> Home:
        assert isinstance(self.installation, Home)
        return self.installation

    @property
    def apart(self) -> Apart:
        assert isinstance(self.installation, Apart)
        return self.installation

    def more(self, timeout: float = 60) -> None:
        """Until something that is asked for from now on has been answered."""
        now = len(self.books.answered)
        eventually(lambda: len(self.books.answered) > now + 50, timeout, "answers")


def leader(s: Scene) -> str:
    """kill -9 of the broker that leads a busy topic; its followers take over, and it comes back."""
    topic = s.chance.choice(s.servers.topics(r"(?i)(recv|send|report|result).*(mass|realtime|auth)"))
    node = s.servers.leader_of(topic)
    s.servers.kafka.kill(node)
    gone_s = s.chance.uniform(5, 12)
    time.sleep(gone_s)
    s.servers.kafka.start(node)
    return f"{node}, which led {topic}, for {gone_s:.0f} s"


def two_brokers(s: Scene) -> str:
    """kill -9 of two brokers: nothing can be written, accepted messages go to the outbox, and follow when the brokers are back."""
    nodes = s.chance.sample([node.name for node in s.servers.kafka.service.nodes], 2)
    s.servers.kafka.kill(*nodes)
    began = time.monotonic()
    eventually(lambda: s.books.outbox() > 0, 30, "births in the outbox", every=0.2)
    s.more()  # clients are answered all the while
    gone_s = max(s.chance.uniform(8, 15), time.monotonic() - began)
    time.sleep(began + gone_s - time.monotonic())
    waiting = s.books.outbox()
    s.servers.kafka.start(*nodes)
    return f"{' and '.join(nodes)} for {gone_s:.0f} s; {waiting} events waited in the outbox"


def kafka_long_away(s: Scene) -> str:
    """All brokers frozen, or killed, for longer than the library's producer keeps trying."""
    frozen = s.chance.random() < 0.5
    if frozen:
        s.servers.kafka.pause()
    else:
        s.servers.kafka.kill()
    began = time.monotonic()
    while time.monotonic() - began < BEYOND_DELIVERY_S:
        s.more()
        time.sleep(5)
    waiting = s.books.outbox()
    if frozen:
        s.servers.kafka.resume()
    else:
        s.servers.kafka.start()
    return f"all three {'frozen' if frozen else 'killed'} for {BEYOND_DELIVERY_S} s; {waiting} events waited in the outbox"


def process(name: str) -> Callable[[Scene], str]:
    """kill -9 of one process of `ims up`, three times; `up` starts it again."""

    def fault(s: Scene) -> str:
        for _ in range(3):
            before = s.home.pids()[name]
            s.home.kill9(name)
            eventually(lambda before=before: s.home.pids()[name] != before, 30, f"{name} again")  # type: ignore[misc]
            time.sleep(s.chance.uniform(0.2, 4))
        return f"{name}, three times"

    fault.__doc__ = process.__doc__
    return fault


def mariadb(s: Scene) -> str:
    """kill -9 of MariaDB; it comes back some seconds later."""
    s.servers.mariadb.kill()
    gone_s = s.chance.uniform(0, 10)
    time.sleep(gone_s)
    s.servers.mariadb.start()
    return f"for {gone_s:.0f} s"


def redis_master(s: Scene) -> str:
    """kill -9 of a master of the cluster whose last writes its replica does not have; the replica takes over, the old one comes back."""
    masters = s.servers.redis_masters()
    master = s.chance.choice(sorted(masters))
    replica = masters[master]
    s.servers.redis.pause(replica)
    behind_s = s.chance.uniform(0.5, 2)
    time.sleep(behind_s)
    s.servers.redis.kill(master)
    s.servers.redis.resume(replica)
    eventually(lambda: "role:master" in s.servers.redis_say(replica, "info", "replication"), 60, "fail-over", every=0.2)
    time.sleep(2)
    s.servers.redis.start(master)
    return f"{master}; {replica}, {behind_s:.1f} s behind, took over"


def redis_flushed(s: Scene) -> str:
    """All that Redis holds is gone, again and again."""
    times = s.chance.randrange(3, 8)
    for _ in range(times):
        for master in s.servers.redis_masters():
            s.servers.redis_say(master, "flushall")
        time.sleep(s.chance.uniform(0.3, 2))
    return f"{times} times, every master"


def mongo_away(s: Scene) -> str:
    """MongoDB was killed before the load began, and comes back after its end (see `test_faults`)."""
    time.sleep(15)
    return "away for the whole run"


def every_function(s: Scene) -> str:
    """kill -9 of each function, in drawn order, twice; each comes back after a drawn moment."""
    names = [f"{name}-0" for name in FUNCTIONS] * 2
    s.chance.shuffle(names)
    for name in names:
        s.apart.kill(name)
        time.sleep(s.chance.uniform(0, 1.5))
        s.apart.start(name)
        time.sleep(s.chance.uniform(0, 1.5))
    return f"each of {len(FUNCTIONS)} functions, twice"


def dispatchers(s: Scene) -> str:
    """kill -9 of the dispatchers, one by one and both at once."""
    for names in (*([name] for name in s.apart.dispatchers), s.apart.dispatchers):
        s.apart.kill(*names)
        time.sleep(s.chance.uniform(0, 3))
        s.apart.start(*names)
        time.sleep(s.chance.uniform(1, 6))
    return "each, then both at once"


def workers(s: Scene) -> str:
    """kill -9 of every loop that runs for ever, twice."""
    names = [name for name in s.apart.names if name.startswith("work-")]
    for _ in range(2):
        s.chance.shuffle(names)
        for name in names:
            s.apart.kill(name)
            time.sleep(s.chance.uniform(0, 1))
            s.apart.start(name)
    return f"each of {len(names)} workers, twice"


def rebalances(s: Scene) -> str:
    """Members of every group come and leave every few seconds, politely and by kill -9."""
    extra: list[str] = []
    came = left = killed = 0
    until = time.monotonic() + 40
    while time.monotonic() < until:
        if extra and (len(extra) == 3 or s.chance.random() < 0.5):
            name = extra.pop(s.chance.randrange(len(extra)))
            if s.chance.random() < 0.5:
                s.apart.kill(name)
                killed += 1
            else:
                s.apart.end(name)
                left += 1
        else:
            came += 1
            name = f"extra-{came}"
            s.apart.add(name, s.apart.dispatching(s.chance.choice(DISPATCHERS)))
            extra.append(name)
        time.sleep(s.chance.uniform(1, 4))
    s.apart.end(*extra)
    return f"{came} dispatchers came, {left + len(extra)} left, {killed} were killed"


def groups_deleted(s: Scene) -> str:
    """All consumer groups deleted while events wait, and begun again: everything in the log is delivered once more."""
    killed = s.chance.random() < 0.5
    if killed:
        s.apart.kill(*s.apart.dispatchers)
    else:
        s.apart.end(*s.apart.dispatchers)
    with s.servers.kafka_admin() as admin:
        groups = [group["group_id"] for group in admin.list_groups()]
        eventually(lambda: deleted(admin, groups), 60, "groups without members", every=1)
    again = sum(int(line.split()[-1]) for line in s.apart.ims("lag").splitlines() if line.split()[-1].isdigit())
    s.apart.start(*s.apart.dispatchers)
    return f"{len(groups)} groups, dispatchers {'killed' if killed else 'stopped'} before; {again} events again"


def deleted(admin: object, groups: list[str]) -> bool:
    """Whether none of these groups is left: one that still has members, until their sessions end, is not deleted."""
    left = {group["group_id"] for group in admin.list_groups()} & set(groups)  # type: ignore[attr-defined]
    with contextlib.suppress(errors.KafkaError):
        admin.delete_groups(sorted(left))  # type: ignore[attr-defined]
    return not left


TOGETHER: dict[str, Callable[[Scene], str]] = {
    "broker that leads": leader,
    "two brokers": two_brokers,
    **{name: process(name) for name in ("edge", "intake-bulk", "fast", "slow-out", "slow-back")},
    "MariaDB": mariadb,
    "Redis master": redis_master,
    "Redis flushed": redis_flushed,
    "MongoDB away": mongo_away,
}
LONG_AWAY: dict[str, Callable[[Scene], str]] = {"Kafka long away": kafka_long_away}
APART: dict[str, Callable[[Scene], str]] = {
    "every function": every_function,
    "dispatchers": dispatchers,
    "workers": workers,
    "rebalances": rebalances,
    "groups deleted": groups_deleted,
}
# Auth messages may wait for longer than the three minutes within which they are of use.
EXPIRING = frozenset({*LONG_AWAY, "groups deleted"})
