"""Logs and metrics. Neither ever holds a number, an address, a text or a customer's message_id.

Logs are one JSON object a line on stderr. Metric names are listed in docs/operate.md; a test holds the two together.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

_PROCESS = {"name": "ims"}


class _Log:
    """`log.info("event_name", field=value)`; fields are ids of ours, codes, counts and names of things."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("ims")

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = {"at": f"{at}Z", "level": logging.getLevelName(level).lower(), "process": _PROCESS["name"], "event": event, **fields}
        self._logger.log(level, json.dumps(line, ensure_ascii=False, default=str))

    def debug(self, event: str, **fields: Any) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write(logging.ERROR, event, fields)


log = _Log()


def configure_logs(process: str, level: str = "INFO") -> None:
    """Send our own lines to stderr, named after the process; everybody else's only from WARNING on."""
    _PROCESS["name"] = process
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger("ims")
    ours.handlers[:] = [handler]
    ours.setLevel(level)
    ours.propagate = False


ACCEPTED = Counter("ims_accepted_total", "Messages answered 0000", ["channel", "lane"])
REFUSED = Counter("ims_refused_total", "Requests and rows answered with a code other than 0000", ["code"])
UNCOUNTED = Counter("ims_uncounted_total", "Recipients accepted while nobody could count against their key's limit", ["limit"])
SENT = Counter("ims_sent_total", "Members handed to a provider, by what it answered", ["provider", "lane", "status"])
SETTLED = Counter("ims_settled_total", "Results told, by lane, result and result code", ["lane", "result", "code"])
TRANSITIONS = Counter("ims_transitions_total", "Named transitions of message states that are not the usual one", ["name"])
STAGE_SECONDS = Histogram(
    "ims_stage_seconds",
    "Time of one event in one stage",
    ["stage", "lane"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STAGE_EVENTS = Counter("ims_stage_events_total", "Events handled, by outcome", ["stage", "lane", "outcome"])
LAG = Gauge("ims_lag_events", "Events of a source's topics that are not finished", ["stage", "lane"], multiprocess_mode="mostrecent")
DEAD = Counter("ims_dead_letters_total", "Events given up by a stage", ["stage", "lane"])
FAILOVERS = Counter("ims_failovers_total", "Members taken from a provider that surely did not send them", ["provider", "lane"])
CLAIMS = Counter("ims_claims_total", "Provider calls by what happened to their claim", ["lane", "what"])
OUTBOX = Counter("ims_outbox_total", "Birth events that the log did not take: put into the outbox, relayed from it", ["lane", "what"])
CALLBACKS = Counter("ims_callbacks_total", "Callback calls, by outcome", ["lane", "outcome"])
CALLBACK_DELAY = Histogram(
    "ims_callback_delay_seconds",
    "From the forming of a result array to its acknowledgement by a callback",
    ["lane"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 180, 600, 3600, 21600),
)
HELD = Counter("ims_held_total", "Events parked: a provider is away, a campaign or the night holds them", ["lane", "reason"])
TRACES_DROPPED = Counter("ims_traces_dropped_total", "Traces not kept: their store or the log was away", ["lane"])
FORGED = Counter("ims_forged_refs_total", "Delivery reports whose ref is not one of ours", ["provider"])
RECORDS_AGAIN = Counter("ims_records_again_total", "Transactions run again on a database server, by error", ["database", "why"])
UNLISTED = Counter("ims_unlisted_codes_total", "Provider codes that no table of ours lists", ["provider"])
LOG_APPENDS = Counter("ims_log_appends_total", "Appends to Kafka, by outcome; refused: not tried, one failed a moment ago", ["outcome"])
LOG_APPEND_SECONDS = Histogram(
    "ims_log_append_seconds",
    "From an append to its acknowledgement by the in-sync replicas",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
