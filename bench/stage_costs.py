"""What one event costs each stage: CPU and wall time of a lone event of one message and of 200, all I/O of the embedded profile included.

Run: python -m bench.stage_costs [--events 300]   (events go one after the other, so the CPU of the process is the stage's; the
provider and the customer's endpoint answer at once; through functions-framework, without a socket)
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping
from pathlib import Path

from bench.load import CODE_TEXT, TEXT, rows
from ims import topics
from ims.lanes import Lane
from ims.ports.providers import Answer as Answered
from ims.ports.providers import OutgoingCall
from ims.protocol.events import DeliveryReport
from ims.runtime.sinks import asgi_sink
from ims.runtime.tracing import Tracer
from ims.serve.app import framework_app
from ims.testing.house import House
from ims.testing.provider import ScriptedProvider

MANY = 200
ORDER = ("route", "send_mt", "report", "callback", "store", "analyze")
_WARM = 20


class _Reporting(ScriptedProvider):
    """Forgets what it sent, and believes every webhook."""

    async def send(self, call: OutgoingCall) -> list[Answered]:
        self.refs_of_last = [m.ref for m in call.members]
        return [Answered("accepted", provider_id=f"p-{n}") for n, _ in enumerate(call.members)]

    def webhook(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> list[DeliveryReport]:
        return [DeliveryReport(ref=ref, status="delivered", code="0000", reported_at=now_ms) for ref in json.loads(body)]

    def webhook_answer(self, body: bytes) -> bytes:
        return b"{}"


class Costs:
    """Seconds of CPU and wall of each event, by stage and size."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)

    async def of(self, stage: str, size: int, work: Awaitable[object]) -> object:
        cpu, wall = time.process_time(), time.perf_counter()
        result = await work
        self.taken[stage, size].append((time.process_time() - cpu, time.perf_counter() - wall))
        return result

    def lines(self) -> list[str]:
        """A table; the median of the CPU, since what else runs on the machine only adds."""
        found = ["| Stage | Messages | Events | CPU, ms | Wall p50, ms | Wall p90, ms | Wall p99, ms |", "|---|---|---|---|---|---|---|"]
        for (stage, size), taken in sorted(self.taken.items()):
            kept = taken[_WARM if len(taken) > 3 * _WARM else 0 :]
            wall = sorted(w for _, w in kept)
            cpu, p50, p90, p99 = statistics.median(c for c, _ in kept), *(wall[int(len(wall) * share)] for share in (0.5, 0.9, 0.99))
            found.append(f"| {stage} | {size} | {len(kept)} | {cpu * 1e3:.2f} | {p50 * 1e3:.2f} | {p90 * 1e3:.2f} | {p99 * 1e3:.2f} |")
        return found


async def measure(folder: Path, events: int) -> Costs:
    """`events` lone one-time codes, and as many events of 200 recipients."""
    provider = _Reporting()
    house = await House.open(folder, provider)
    tracer = Tracer(house.ctx)
    house.ctx.trace = tracer.note
    key = base64.b64encode(b"acme:0123456789abcdef").decode()
    headers = {"content-type": "application/json", "x-ims-key": key, "x-ims-version": "version-1"}
    intake = {
        lane: asgi_sink(framework_app("intake"), f"/ims/key{lane}/mt/{path}")
        for lane, path in ((Lane.AUTH, "sendMessage"), (Lane.MASS, "sendMessages"))
    }
    receipt = asgi_sink(framework_app("receipt"), "/receipt/scripted")
    costs, everything = Costs(), iter(rows(1, 0, events * (MANY + 1)))
    for number in range(events * 2):
        lane, size = (Lane.AUTH, 1) if number % 2 else (Lane.MASS, MANY)
        members = [next(everything) for _ in range(size)]
        common = {"message_type": "SMS", "callback": "15441234"}
        if lane is Lane.AUTH:
            body = {**common, "message_id": members[0][0], "phone_number": members[0][1], "message": CODE_TEXT.format(code=number)}
        else:
            listed = [{"message_id": m, "phone_number": p, "mapping": {"name": p[-4:], "code": m[:6]}} for m, p in members]
            body = {**common, "campaign_id": f"c{number}", "message": TEXT, "receiver_list": listed}
        answer = await costs.of("intake", size, intake[lane](headers, json.dumps(body).encode()))
        assert answer.status == 200, answer.body
        for stage in ORDER:
            if stage == "report":
                await _deliver(house, costs, stage, lane, size)
                await costs.of("receipt", size, receipt(headers, json.dumps(provider.refs_of_last).encode()))
            if stage == "analyze":
                if number % 40 >= 4:
                    continue
                size = min(MANY, len(tracer._traces[lane]))
                await tracer.flush()
            await _deliver(house, costs, stage, lane, size)
        house.now += 20
    await house.close()
    return costs


async def _deliver(house: House, costs: Costs, stage: str, lane: Lane, size: int) -> None:
    subscription = house.subscription(stage, lane)
    subscription.heard(set(topics.consumed_by(stage, lane)))
    for delivery in await subscription.fetch(1000):
        answer = await costs.of(stage, size, house.deliver(stage, delivery.attributes, delivery.data))
        assert answer.status == 200, (stage, answer.status)
        subscription.finish(delivery)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300)
    with tempfile.TemporaryDirectory() as folder:
        costs = asyncio.run(measure(Path(folder), parser.parse_args().events))
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()} {platform.release()}\n")
    print("\n".join(costs.lines()))


if __name__ == "__main__":
    main()
