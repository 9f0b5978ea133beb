"""History rows from settled messages."""

from __future__ import annotations

from ims.ports.records import PROVIDER_CODE_CHARS, HistoryRow
from ims.protocol.events import MessageSettled
from ims.protocol.sealing import Sealer
from ims.rules.masking import masked


def history_rows(data: MessageSettled, sealer: Sealer) -> list[HistoryRow]:
    """One row per result; a later result of the same message overwrites it by its number."""
    return [
        HistoryRow(
            birth=g.birth,
            pos=s.pos,
            number=s.number,
            service_key=data.service_key,
            message_id=s.message_id,
            campaign_id=g.campaign_id,
            report_type=s.report_type,
            result=s.result,
            report_code=s.report_code,
            provider=s.provider,
            provider_code=s.provider_code[:PROVIDER_CODE_CHARS],
            attempts=s.attempt,
            recipient=masked(s.to),
            recipient_index=sealer.index(s.to),
            bill_code=s.bill_code,
            template_code=g.template_code,
            received_at=g.received_at,
            distributed_at=s.distributed_at,
            sent_at=s.sent_at,
            response_at=s.answered_at,
            report_at=s.report_at,
            channel=g.channel.code,
        )
        for g in data.groups
        for s in g.results
    ]
