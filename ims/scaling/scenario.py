"""The question: which campaigns, how many codes a second, which provider, for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ims.errors import Misconfigured
from ims.lanes import TRAITS, Lane

_CAMPAIGN = re.compile(r"(\d[\d_,]*)@(\d{1,2}):(\d{2})(?::(\w+))?")
LEAD_S = 120  # before the first campaign: what is normal
_LONGEST_S = 12 * 3600


@dataclass(frozen=True, slots=True)
class Campaign:
    """So many recipients, uploaded from a time of the day on."""

    recipients: int
    at_s: int  # seconds after midnight
    lane: Lane = Lane.MASS

    @classmethod
    def parse(cls, text: str) -> Campaign:
        """`1000000@09:00`, `300000@09:30:ad`."""
        found = _CAMPAIGN.fullmatch(text.strip())
        if not found:
            raise Misconfigured(f"campaign {text!r}: recipients@HH:MM or recipients@HH:MM:ad is meant")
        recipients, hour, minute = int(re.sub("[_,]", "", found[1])), int(found[2]), int(found[3])
        lane = found[4] or Lane.MASS.value
        if hour > 23 or minute > 59 or not recipients:
            raise Misconfigured(f"campaign {text!r}: there is no such time, or nobody to send to")
        if lane not in {lane.value for lane in Lane if not TRAITS[lane].reserved}:
            raise Misconfigured(f"campaign {text!r}: a campaign is mass or ad")
        return cls(recipients, hour * 3600 + minute * 60, Lane(lane))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is not in autoscaling.yaml. Defaults are a question, not advice."""

    campaigns: tuple[Campaign, ...] = ()
    codes_per_s: float = 50.0  # auth, single requests
    realtime_per_s: float = 0.0
    peak: float = 1.0  # codes and realtime during the campaigns' first ten minutes, times this
    provider_rate: float = 200.0  # recipients a second of the account; 0: no limit
    reserve: float = 0.3  # of it, kept for auth and realtime
    provider_ms: float = 50.0  # its answer, at the median
    endpoint_ms: float = 50.0  # the customer's answer to a callback, at the median
    report_s: float = 5.0  # from the provider's answer to its delivery report
    upload_per_s: float = 5_000.0  # recipients a second in which a campaign comes in
    upload_rows: int = 1_000  # recipients of one request
    event_messages: int = 200  # messages that a full event holds
    dispatch: frozenset[Lane] = frozenset()  # lanes fed by `ims dispatch` instead of KafkaSource
    dispatcher_restart_s: int | None = None  # seconds after midnight
    fresh: bool = False  # everything has just been deployed
    seconds: int = 0  # 0: until everything is sent and has come to rest
    seed: int = 1

    @property
    def starts_s(self) -> int:
        """Seconds after midnight."""
        return min((c.at_s for c in self.campaigns), default=9 * 3600) - LEAD_S

    @property
    def longest_s(self) -> int:
        """Where a simulation ends that does not come to rest."""
        return self.seconds or _LONGEST_S

    @property
    def bulk_rate(self) -> float:
        """What the reserve leaves to mass and ad."""
        return self.provider_rate * (1 - self.reserve)

    @property
    def fast_rate(self) -> float:
        """What auth and realtime have for themselves."""
        return self.provider_rate * self.reserve

    def only_bulk(self) -> Scenario:
        """The same campaigns without codes: enough to see how long they take."""
        return replace(self, codes_per_s=0.0, realtime_per_s=0.0)


def clock(seconds: float) -> str:
    """A time of the day."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}:{second:02d}"
