"""Whole campaigns: what is short decides how long they take, reserved lanes keep theirs, the same question has one answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ims.errors import Misconfigured
from ims.lanes import Lane
from ims.scaling.measured import Measured
from ims.scaling.run import Run, percentile, play
from ims.scaling.scenario import LEAD_S, Campaign, Scenario, clock
from ims.scaling.settings import Autoscaling, read
from ims.scaling.verdict import judge

FILE = (Path(__file__).resolve().parents[3] / "knative" / "autoscaling.yaml").read_text()
AT_NINE = (Campaign(20_000, 9 * 3600),)


@pytest.fixture(scope="module")
def ours() -> Autoscaling:
    return read(FILE)


def took(run: Run) -> list[float]:
    return [t for _, t in run.house.lanes[Lane.AUTH].took]


def test_a_campaign_takes_what_the_provider_leaves_to_it(ours: Autoscaling, costs: Measured) -> None:
    run = play(ours, Scenario(AT_NINE, codes_per_s=2, provider_rate=200, reserve=0.3), costs)
    # 20,000 at 140 a second; the first 200 go from a full bucket, and everything began with cold starts of some seconds
    assert run.campaign_s() == pytest.approx(19_800 / 140, abs=15)
    assert run.house.lanes[Lane.MASS].called == run.house.lanes[Lane.MASS].settled == 20_000
    verdict = judge(run, costs)
    assert verdict.bottleneck.startswith("the provider's rate (140 of 200")
    assert verdict.trials[0].seconds == pytest.approx(19_800 / 280, abs=15)


def test_few_consumers_are_the_bottleneck_where_a_slow_provider_has_no_limit(costs: Measured) -> None:
    one = read("feeding: {dispatcher_pods: 1}\ndefaults: {reserved: {min_scale: 1}, bulk: {min_scale: 1}, all: {min_scale: 1}}")
    scenario = Scenario((Campaign(60_000, 9 * 3600),), codes_per_s=0, provider_rate=0, provider_ms=10_000, event_messages=10)
    run = play(one, scenario, costs)
    # 6,000 events of 10 over 49 open requests; the mean of the provider's answers is above their median of 10 s
    assert run.campaign_s() == pytest.approx(6_000 / 49 * 10 * 1.15, rel=0.15)
    verdict = judge(run, costs)
    assert verdict.bottleneck == "dispatcher_pods: 1"


def test_pods_are_the_bottleneck_where_their_ceiling_is_low(costs: Measured) -> None:
    low = read(
        "feeding: {dispatcher_pods: 3}\n"
        "defaults: {reserved: {min_scale: 1}, bulk: {min_scale: 1, container_concurrency: 50}, all: {min_scale: 1}}\n"
        "services: {send_mt: {bulk: {max_scale: 1}}, intake-bulk: {all: {min_scale: 4}}}"
    )
    scenario = Scenario((Campaign(300_000, 9 * 3600),), codes_per_s=0, provider_rate=0, event_messages=20, upload_per_s=20_000)
    verdict = judge(play(low, scenario, costs), costs)
    assert verdict.bottleneck == "max_scale: 1 of send-mt-mass"


def test_clients_are_the_bottleneck_where_nothing_waits(ours: Autoscaling, costs: Measured) -> None:
    run = play(ours, Scenario(AT_NINE, codes_per_s=0, provider_rate=0, upload_per_s=100), costs)
    assert run.campaign_s() == pytest.approx(200, abs=15)
    assert judge(run, costs).bottleneck.startswith("the clients' upload of 100")


def test_an_unfinished_campaign_is_said(ours: Autoscaling, costs: Measured) -> None:
    run = play(ours, Scenario(AT_NINE, codes_per_s=0, provider_rate=10, seconds=300), costs)
    assert run.campaign_s() is None
    assert "were not handed to the provider within 5 min" in judge(run, costs).sentences[0]


def test_the_same_question_has_one_answer(ours: Autoscaling, costs: Measured) -> None:
    scenario = Scenario(AT_NINE, codes_per_s=20, provider_rate=1_000)
    first, second = play(ours, scenario, costs), play(ours, scenario, costs)
    assert (first.series, first.pod_hours, took(first)) == (second.series, second.pod_hours, took(second))
    assert took(play(ours, replace(scenario, seed=2), costs)) != took(first)


def test_codes_beyond_the_reserve_queue_for_the_provider_and_it_is_said(ours: Autoscaling, costs: Measured) -> None:
    run = play(ours, Scenario(codes_per_s=50, provider_rate=100, reserve=0.3, seconds=120), costs)
    assert percentile(took(run), 0.5) > 5
    assert any("have 30 of the provider's rate" in sentence for sentence in judge(run, costs).sentences)


def test_our_own_dispatcher_is_not_silenced_by_a_restart_of_kafkasource_s(ours: Autoscaling, costs: Measured) -> None:
    asked = Scenario(codes_per_s=20, seconds=300, dispatcher_restart_s=9 * 3600)  # 120 s after the start
    shared, own = play(ours, asked, costs), play(ours, replace(asked, dispatch=frozenset({Lane.AUTH})), costs)
    assert max(took(shared)) == pytest.approx(costs.kafkasource.silence_s, abs=1)
    assert max(took(own)) < 1


def test_a_fresh_deployment_takes_no_code_before_one_cold_start(ours: Autoscaling, costs: Measured) -> None:
    cold_s = costs.cold_start.platform_s + costs.cold_start.ours_s
    run = play(ours, Scenario(codes_per_s=20, seconds=60, fresh=True), costs)
    assert min(at for at, _ in run.house.lanes[Lane.AUTH].took) >= cold_s
    assert run.house.services["intake"].revision.state == "active"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 30_000), st.floats(0, 3_000), st.integers(1, 6), st.sampled_from([Lane.MASS, Lane.AD]), st.integers(0, 5))
def test_whatever_the_campaign_the_reserve_stays_and_nobody_is_lost(
    ours: Autoscaling, costs: Measured, recipients: int, rate: float, consumers: int, lane: Lane, seed: int
) -> None:
    rate = max(rate, 50.0) if rate else 0.0
    file = replace(ours, feeding=ours.feeding.model_copy(update={"dispatcher_pods": consumers}))
    scenario = Scenario((Campaign(recipients, 9 * 3600, lane),), codes_per_s=10, provider_rate=rate, seed=seed)
    run = play(file, scenario, costs)
    for workload in file.workloads:
        pods, knobs = run.series.pods[workload.name], workload.knobs
        assert min(pods) >= knobs.min_scale
        assert max(pods) <= (knobs.max_scale or 10**9)
    assert run.house.lanes[lane].called == run.house.lanes[lane].settled == recipients
    during = [t for at, t in run.house.lanes[Lane.AUTH].took if at > LEAD_S]
    alone = play(file, replace(scenario, campaigns=(), seconds=run.seconds), costs)
    # not one code later than without the campaign: the reserved lanes share nothing with it, the same draws fall on the same codes
    assert during == [t for at, t in alone.house.lanes[Lane.AUTH].took if at > LEAD_S]


@pytest.mark.parametrize(
    ("text", "made"),
    [("1_000@09:00", Campaign(1_000, 32_400)), ("5@00:30:ad", Campaign(5, 1_800, Lane.AD)), ("7@23:59:mass", Campaign(7, 86_340))],
)
def test_campaigns_are_written_short(text: str, made: Campaign) -> None:
    assert Campaign.parse(text) == made


@pytest.mark.parametrize("text", ["1000", "0@09:00", "5@25:00", "5@09:61", "5@09:00:auth", "5@09:00:bulk", "-5@09:00"])
def test_what_is_no_campaign_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        Campaign.parse(text)


def test_a_day_has_a_clock() -> None:
    assert [clock(s) for s in (0, 32_399, 86_400)] == ["00:00:00", "08:59:59", "00:00:00"]
