"""Why events of a campaign wait, and under which name."""

from __future__ import annotations

RESERVED_MS = 30 * 86_400_000  # contract 1: how far ahead a time may be reserved

# Reasons of held events.
GATED = "campaign"  # its campaign is paused, paced, or waits for an approval
RESERVED = "reserved"  # its time has not come


def held_name(service_key: str, campaign_id: str) -> str:
    """How a campaign is named where events wait. Single messages have an empty campaign_id; neither part holds a slash."""
    return f"{service_key}/{campaign_id}"


def parts_of(name: str) -> tuple[str, str]:
    """Service key and campaign_id of a `held_name`."""
    key, _, campaign_id = name.partition("/")
    return key, campaign_id
