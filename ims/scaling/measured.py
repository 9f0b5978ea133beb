"""What was measured, as the simulation needs it: costs of stages, delays of delivery, cold starts, each with its source."""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ims.errors import Misconfigured

_P90 = 1.2816  # standard deviations of a normal distribution
_DRAWS = 997  # waits of a stage are drawn from so many, shuffled: cheap, and the tail is there in every thousand


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)  # the command that measured it, or whose word it is, or that it is an assumption


class StageCost(_Strict):
    """An event of n messages takes cpu_event_ms + n x cpu_message_us of one core, and waits beside that: commits, not processors."""

    cpu_event_ms: float = Field(ge=0)
    cpu_message_us: float = Field(ge=0)
    wait_p50_ms: float = Field(ge=0)
    wait_p90_ms: float = Field(ge=0)

    def cpu_s(self, messages: int) -> float:
        """Of one event."""
        return self.cpu_event_ms / 1e3 + self.cpu_message_us * messages / 1e6

    def waits(self, rng: random.Random) -> list[float]:
        """Seconds, log-normal through the two points, evenly spread over all its quantiles, in random order."""
        return spread(self.wait_p50_ms / 1e3, self.wait_p90_ms / 1e3, rng)


class Delivery(_Strict):
    """From the append to the request of a lone event; events a second that a consumer delivers, of 1 message and of 200."""

    p50_ms: float = Field(ge=0)
    p90_ms: float = Field(ge=0)
    small_per_s: float = Field(gt=0)
    large_per_s: float = Field(gt=0)
    open_per_consumer: int = Field(gt=0)
    silence_s: float = Field(ge=0)  # of everything that it feeds, when it restarts

    def per_s(self, messages: int) -> float:
        """Events of that size that a consumer delivers."""
        share = min(1.0, (messages - 1) / 199)
        return 1 / ((1 - share) / self.small_per_s + share / self.large_per_s)


class ColdStart(_Strict):
    """From the wish for a pod until it takes requests: the platform's part, and ours (start of the process to ready)."""

    platform_s: float = Field(ge=0)
    ours_s: float = Field(ge=0)


class UnderLoad(_Strict):
    """How much more CPU a stage takes when its events do not come one by one."""

    factor: float = Field(ge=1)


class Measured(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: dict[str, StageCost]
    under_load: UnderLoad
    kafkasource: Delivery
    dispatch: Delivery
    cold_start: ColdStart


def parse(text: str, name: str = "measured.yaml") -> Measured:
    """The file's numbers. Misconfigured names every wrong one."""
    try:
        data: Any = yaml.safe_load(text)
        return Measured.model_validate(data)
    except yaml.YAMLError as exc:
        raise Misconfigured(f"{name}: {exc}") from exc
    except ValidationError as exc:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise Misconfigured(f"{name}: {wrong}") from exc


def spread(p50: float, p90: float, rng: random.Random) -> list[float]:
    """Draws of a log-normal distribution with these two quantiles."""
    if p50 <= 0:
        return [0.0]
    sigma = math.log(max(p90, p50) / p50) / _P90
    normal = NormalDist()
    drawn = [p50 * math.exp(sigma * normal.inv_cdf((i + 0.5) / _DRAWS)) for i in range(_DRAWS)]
    rng.shuffle(drawn)
    return drawn

