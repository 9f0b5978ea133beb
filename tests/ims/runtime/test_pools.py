"""Weights share new calls out; the same event ranks the same way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from ims.results import CREDENTIAL, NO_ANSWER, THROTTLED
from ims.runtime.breaker import OPEN_AFTER, Breakers
from ims.runtime.pools import Health, Weighed, accounts, named, ranked
from ims.testing.provider import ScriptedProvider

A, B, C = (ScriptedProvider(name=name) for name in "abc")


@dataclass
class Words:
    """A directory that knows only what an operator said."""

    stopped: set[str] = field(default_factory=set)
    weights: dict[str, int] = field(default_factory=dict)

    def provider_stopped(self, family: str, provider: str) -> bool:
        return provider in self.stopped

    def provider_weight(self, family: str, provider: str) -> int | None:
        return self.weights.get(provider)


def leaders(pool, words: Words, n: int = 20_000) -> Counter[str]:
    return Counter(ranked(pool, f"event-{i}", "mt", words)[0].name for i in range(n))


@pytest.mark.parametrize(("weights", "shares"), [((3, 1), (0.75, 0.25)), ((1, 1), (0.5, 0.5)), ((5, 0), (1.0, 0.0))])
def test_each_leads_as_often_as_its_weight_says(weights, shares) -> None:
    found = leaders([Weighed(A, weights[0]), Weighed(B, weights[1])], Words())
    assert [found[p] / 20_000 for p in "ab"] == pytest.approx(shares, abs=0.02)


def test_an_operators_weight_stands_over_the_configured_one() -> None:
    found = leaders([Weighed(A, 1), Weighed(B, 1), Weighed(C, 8)], Words(weights={"c": 0, "a": 9}))
    assert found["c"] == 0
    assert found["a"] / 20_000 == pytest.approx(0.9, abs=0.02)


def test_the_same_event_ranks_the_same_way_and_the_stopped_are_left_out() -> None:
    pool = [Weighed(A, 1), Weighed(B, 1), Weighed(C, 1)]
    assert len({tuple(p.name for p in ranked(pool, "one", "mt", Words())) for _ in range(20)}) == 1
    assert {p.name for p in ranked(pool, "one", "mt", Words(stopped={"b"}))} == {"a", "c"}
    assert ranked([Weighed(A)], "one", "mt", Words(stopped={"a"})) == []


def test_a_provider_is_found_by_name_and_counted_once() -> None:
    pool = [Weighed(A), Weighed(B)]
    assert named(pool, "b") is B
    assert named(pool, "c") is None
    assert accounts({("mt", "fast"): pool, ("kakao", "fast"): [Weighed(A)]}) == [A, B]


def test_a_breaker_is_of_a_family_and_a_cause() -> None:
    breakers = Breakers()
    texts, kakao = Health(breakers, "mt"), Health(breakers, "kakao")
    for code in (NO_ANSWER, THROTTLED, CREDENTIAL):
        for _ in range(OPEN_AFTER - 1):
            texts.failed(A, code, 1_000)
    assert texts.open_until(A, 1_000) == 0, "no cause has come often enough by itself"
    texts.failed(A, THROTTLED, 1_000)
    assert texts.open_until(A, 1_001) > 1_001
    assert kakao.open_until(A, 1_001) == 0
    assert texts.open_until(B, 1_001) == 0
    texts.succeeded(A)
    assert texts.open_until(A, 1_001) == 0
