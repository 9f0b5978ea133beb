"""A person who called a mail spam wants no more of them: a complaint opts its recipient out of that customer's e-mail.

Written before the report is folded, and done again by a redelivery it changes nothing. The state of the message is another
matter: it was delivered, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ims.errors import Rejected
from ims.lanes import Lane
from ims.protocol.events import DeliveryReport
from ims.results import COMPLAINT
from ims.rules.fallback import step_row, step_shared
from ims.runtime.context import Context
from ims.topics import Channel, SendType

_EMAIL = SendType.EMAIL.report_type
Reports = Mapping[tuple[str, int], Sequence[tuple[int, DeliveryReport]]]  # (birth, attempt) -> (position, report)


async def opt_out(reports: Reports, lane: Lane, ctx: Context) -> None:
    """Opt out everybody who complains in these reports."""
    found = [(key, pos) for key, told in reports.items() for pos, report in told if _complains(report)]
    if not found:
        return
    payloads = await ctx.journal.payloads(lane, list(dict.fromkeys(birth for (birth, _), _ in found)))
    for (birth, attempt), pos in found:
        payload = payloads.get(birth)
        row = next((r for r in payload.rows if r.pos == pos), None) if payload else None
        if payload is None or row is None:
            continue
        if attempt > 1:
            row = step_row(row, step_shared(payload.shared, attempt), reworded=False)
        try:
            await ctx.registry.add_opt_outs(payload.shared.customer, Channel.EMAIL, [ctx.sealer.index(row.to)])
        except Rejected:
            continue  # the customer is gone


def _complains(report: DeliveryReport) -> bool:
    return report.code == COMPLAINT and report.report_type == _EMAIL


def any_in(reports: Iterable[DeliveryReport]) -> bool:
    """Whether there is anything to do: a quick look, since nearly all reports are of other channels."""
    return any(_complains(report) for report in reports)
