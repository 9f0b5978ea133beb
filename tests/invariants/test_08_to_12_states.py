"""Invariants 8 to 12: one bad member, a provider that is away, the states of a message, callbacks, fallback."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from functions.report.deadlines import emit_due
from ims import topics
from ims.errors import CallRefused
from ims.lanes import Lane
from ims.ports.records import Change
from ims.protocol.envelope import Record
from ims.runtime.release import release_due
from ims.topics import Channel

from .conftest import step


async def deadlines(street, ms, lane=Lane.REALTIME):
    street.house.now += ms
    await emit_due(lane, street.house.ctx, street.house.ctx.due)
    await street.house.pump()


async def test_one_bad_member_fails_alone(street):
    """Invariant 8."""
    good = await street.send(1)
    bad = street.entry(message_type="AUTO", text=None)
    bad.shared = msgspec.structs.replace(bad.shared, text="#{없음}님")
    await street.accept(bad)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump()
    results = await street.results()
    assert results[good[0].row.message_id][0] == "DELIVERED"
    assert results[bad.row.message_id][:2] == ("REJECTED", "7113")
    assert {status for _, status in street.house.statuses} == {200}


async def test_a_provider_that_is_away_parks_events_and_loses_none(street):
    """Invariant 9: an hour away, not one dead letter."""
    street.provider.script.extend(["away"] * 200)
    await street.send(3)
    await street.house.pump()
    for _ in range(10):
        street.house.now += 300_000
        await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
        await street.house.pump()
    street.provider.script.clear()
    street.house.now += 301_000
    await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump()
    assert {r[0] for r in (await street.results()).values()} == {"DELIVERED"}
    assert await street.house.rows(Lane.REALTIME, "SELECT * FROM dead") == []
    assert await street.house.rows(Lane.REALTIME, "SELECT * FROM held") == []
    assert {status for _, status in street.house.statuses} == {200}


async def test_a_backlog_does_not_go_round_while_its_provider_is_away(street):
    """Invariant 9: one event at a time finds out; when it gets through, the others follow, each once."""
    house = street.house
    street.provider.script.extend(["away"] * 500)
    for _ in range(30):
        await street.send(2, Lane.MASS)
    await house.pump()
    house.now += 3_600_000  # all of them are due
    house.statuses.clear()
    for _ in range(40):
        await release_due(Lane.MASS, house.ctx, house.ctx.due)
        await house.pump()
        house.now += 1_000
    tried = sum(stage == "send_mt" for stage, _ in house.statuses)
    assert 30 < tried < 40, "all of them once, and then a probe now and then"
    assert await house.rows(Lane.MASS, "SELECT count(*) FROM held") == [(30,)]
    street.provider.script.clear()
    house.now += 60_000
    house.statuses.clear()
    for _ in range(8):
        await release_due(Lane.MASS, house.ctx, house.ctx.due)
        await house.pump()
    assert await house.rows(Lane.MASS, "SELECT count(*) FROM held") == [(0,)]
    assert sum(stage == "send_mt" for stage, _ in house.statuses) == 30
    assert list(street.provider.delivered.values()) == [1] * 60


async def test_what_has_expired_behind_a_provider_that_is_away_is_settled_at_once(street):
    """Invariants 7 and 9: it waits for nobody, however slowly the others are tried."""
    house = street.house
    street.provider.script.extend(["away"] * 500)
    for _ in range(20):
        await street.send(1, Lane.AUTH)
    await house.pump()
    house.now += 10_000
    await release_due(Lane.AUTH, house.ctx, house.ctx.due)
    await house.pump()
    house.now += 200_000
    await release_due(Lane.AUTH, house.ctx, house.ctx.due)
    await house.pump()
    assert {r[0] for r in (await street.results(Lane.AUTH)).values()} <= {"EXPIRED", "FAILED"}
    assert len(await street.results(Lane.AUTH)) == 20
    assert await house.rows(Lane.AUTH, "SELECT count(*) FROM held") == [(0,)]


async def test_a_refused_call_is_final_for_all_members(street):
    street.provider.script.append(CallRefused("8003"))
    await street.send(2)
    await street.house.pump()
    assert {r[:2] for r in (await street.results()).values()} == {("FAILED", "8003")}


async def test_reports_in_every_order_come_to_the_same(make_street, tmp_path):
    """Invariant 10: twice, early, late, shuffled."""
    street = await make_street()
    for seed in range(12):
        rng = random.Random(seed)
        entries = await street.send(3)
        known = set(street.provider.refs)
        await street.house.pump(stages=("route", "send_mt"))
        refs = [r for r in street.provider.refs if r not in known]
        reports = [street.about(r) for r in refs] * 2
        rng.shuffle(reports)
        for part in itertools.batched(reports, 2) if hasattr(itertools, "batched") else [reports[i : i + 2] for i in (0, 2, 4)]:
            await street.report(*part)
        await street.house.pump(shuffle=rng, twice=True)
        results = await street.results()
        assert [results[e.row.message_id] for e in entries] == [("DELIVERED", "0000", 1)] * 3
    rows = await street.house.rows(Lane.REALTIME, "SELECT result, count FROM daily ORDER BY result")
    assert rows == [("DELIVERED", 36), ("RECEIVED", 0)]


async def test_a_report_before_the_calls_own_outcome_finds_the_row(street):
    await street.send(1)
    real = street.provider.send

    async def early(call):
        answers = await real(call)
        await street.report(*(street.about(m.ref) for m in call.members))
        await street.house.pump(stages=("report",))
        return answers

    street.provider.send = early
    await street.house.pump()
    assert list((await street.results()).values()) == [("DELIVERED", "0000", 1)]
    assert len(street.provider.calls) == 1


async def test_a_report_without_a_row_is_answered_503(street):
    ref = street.house.ctx.tracker.ref("r" + "m9b" + "0" * 12, 0, 1)
    await street.report(street.about(ref))
    with pytest.raises(AssertionError, match="come to rest"):
        await pump_once_more(street)
    assert ("report", 503) in street.house.statuses


async def pump_once_more(street):
    await street.house.pump()
    if ("report", 503) in street.house.statuses:
        raise AssertionError("the house does not come to rest")


async def test_some_reports_without_a_row_hold_back_no_others(street):
    await street.send(1)
    await street.house.pump()
    stranger = street.house.ctx.tracker.ref("r" + "m9b" + "0" * 12, 0, 1)
    await street.report(street.about(street.provider.refs[0]), street.about(stranger))
    await street.house.pump()
    assert [r[0] for r in (await street.results()).values()] == ["DELIVERED"]


async def test_contradicting_reports_keep_the_first_definite_one(street):
    await street.send(1)
    await street.house.pump()
    ref = street.provider.refs[0]
    for status, code in (("delivered", "0000"), ("failed", "3003"), ("delivered", "0000"), ("unknown", "8005")):
        await street.report(street.about(ref, status, code))
        await street.house.pump()
    assert list((await street.results()).values()) == [("DELIVERED", "0000", 1)]
    assert len(await street.told()) == 1


async def test_unknown_becomes_known_once_and_is_told_twice(street):
    (entry,) = await street.send(1)
    await street.house.pump()
    await deadlines(street, 61_000)
    assert (await street.results())[entry.row.message_id] == ("UNKNOWN", "8100", 1)
    await street.deliver_all()
    await street.house.pump()
    await street.deliver_all("failed", "3003")
    await street.house.pump()
    assert (await street.results())[entry.row.message_id] == ("DELIVERED", "0000", 2)
    told = await street.told()
    assert [t["result"] for t in told] == ["UNKNOWN", "DELIVERED"]
    assert len({t["event_id"] for t in told}) == 2
    rows = await street.house.rows(Lane.REALTIME, "SELECT result, count FROM daily WHERE count <> 0 ORDER BY result")
    assert rows == [("DELIVERED", 1)], "the counters moved with the row"


async def test_replays_count_once(street):
    await street.send(3)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump(twice=True)
    await street.house.forget_positions()
    await street.house.pump()
    rows = await street.house.rows(Lane.REALTIME, "SELECT result, count FROM daily ORDER BY result")
    assert rows == [("DELIVERED", 3), ("RECEIVED", 0)]


async def test_a_dead_letter_settles_only_members_in_no_call(street):
    """Invariant 10: what stands in a call may have gone out."""
    street.provider.script.extend(["hung"] * 9)
    sent = await street.send(1)
    await street.house.pump()
    waiting = await street.send(1)
    rows = await street.house.rows(Lane.REALTIME, "SELECT topic, attributes, data FROM log WHERE topic LIKE 'SEND%' OR topic LIKE 'RECV%'")
    births = await street.house.rows(Lane.REALTIME, "SELECT birth, topic, attributes, data FROM payloads ORDER BY received_at")
    letters = [r for r in rows if r[0].startswith("SEND")] + [(t, a, d) for _, t, a, d in births[-1:]]
    for _, attributes, data in letters:
        decoded = {**msgspec.json.decode(attributes), "knativeerrordest": "ims:send_mt", "knativeerrorcode": "500"}
        await street.house.store.commit(Lane.REALTIME, Change(), [Record(topics.dead("send_mt"), decoded, data)])
    await street.house.pump(stages=("deadletter", "report", "callback", "store"))
    results = await street.results()
    assert results == {waiting[0].row.message_id: ("FAILED", "9999", 1)}
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 0
    await deadlines(street, 61_000)
    assert (await street.results())[sent[0].row.message_id][:2] == ("UNKNOWN", "8100")
    assert len(await street.house.rows(Lane.REALTIME, "SELECT id FROM dead")) == 2


async def test_a_result_array_is_formed_once_and_repeated_unchanged(street):
    """Invariant 11."""
    from functions.callback.call import retry_due

    street.house.endpoint.status = 500
    await street.send(150)
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump(twice=True)
    first = {h["webhook-id"]: body for _, body, h in street.house.endpoint.calls}
    assert len(first) == 2
    street.house.endpoint.status = 200
    for _ in range(3):
        street.house.now += 20_000
        await retry_due(Lane.REALTIME, street.house.ctx)
    again = street.house.endpoint.calls[2:]
    assert {h["webhook-id"]: body for _, body, h in again} == first
    assert len(again) == 2, "acknowledged is done"
    sizes = sorted(len(msgspec.json.decode(b)) for b in first.values())
    assert sizes == [50, 100]


async def test_results_can_be_read_before_anybody_is_called(street):
    from functions.intake import reading

    (entry,) = await street.send(1)
    key = (await street.house.registry.directory()).service_key("keyrealtime")
    seen = []

    async def post(url, body, headers):
        del url, body, headers
        seen.append(await reading.read(street.house.ctx, key, entry.row.message_id))
        return 200

    street.house.endpoint.post = post
    await street.house.pump()
    await street.deliver_all()
    await street.house.pump()
    assert [s["result"] for s in seen] == ["DELIVERED"]


@pytest.mark.parametrize(
    ("code", "steps"),
    [("3018", True), ("3019", True), ("3020", True), ("3005", False), ("3016", True), ("1028", False)],
)
async def test_fallback_follows_the_class_of_a_definite_failure(street, code, steps):
    """Invariant 12."""
    (entry,) = await street.send(1, channel=Channel.AT, message_type="AT", sender_key="p" * 40, template_code="T1", fallback=[step()])
    await street.house.pump()
    await street.deliver_all("failed", code)
    await street.house.pump()
    refs = street.provider.refs
    assert len(refs) == (2 if steps else 1)
    if steps:
        assert refs[1][-1] == "2"
        assert refs[1][:18] == refs[0][:18], "same birth event and position, attempt n+1"
        assert street.provider.calls[1].members[0].text == "대체 문자"
        assert await street.results() == {}
        await street.report(street.about(refs[1]))
        await street.house.pump()
        assert (await street.results())[entry.row.message_id] == ("DELIVERED", "0000", 1)
        (told,) = await street.told()
        assert (told["report_type"], told["attempts"]) == ("SMS", 2)
    else:
        assert (await street.results())[entry.row.message_id][:2] == ("FAILED", code)


@pytest.mark.parametrize(("on_unknown", "expected"), [(True, 2), (False, 1)])
async def test_after_s_starts_the_next_step_only_if_the_customer_chose_so(street, on_unknown, expected):
    fallback = [step(after_s=10, on_unknown=on_unknown)]
    (entry,) = await street.send(1, channel=Channel.AT, message_type="AT", sender_key="p" * 40, template_code="T1", fallback=fallback)
    await street.house.pump()
    await deadlines(street, 9_000)
    assert len(street.provider.refs) == 1
    await deadlines(street, 2_000)
    assert len(street.provider.refs) == expected
    await deadlines(street, 60_000)
    results = await street.results()
    assert results[entry.row.message_id][0] == "UNKNOWN"


async def test_a_late_success_after_the_fallback_changes_nothing(street):
    fallback = [step(after_s=10, on_unknown=True)]
    (entry,) = await street.send(1, channel=Channel.AT, message_type="AT", sender_key="p" * 40, template_code="T1", fallback=fallback)
    await street.house.pump()
    await deadlines(street, 11_000)
    first, second = street.provider.refs
    await street.report(street.about(first))
    await street.house.pump()
    assert await street.results() == {}
    await street.report(street.about(second))
    await street.house.pump()
    assert (await street.results())[entry.row.message_id] == ("DELIVERED", "0000", 1)


async def test_all_steps_in_order_and_the_last_one_speaks(street):
    fallback = [step(text="하나"), step(text="둘"), step(text="셋"), step(text="넷")]
    (entry,) = await street.send(1, channel=Channel.AT, message_type="AT", sender_key="p" * 40, template_code="T1", fallback=fallback)
    await street.house.pump()
    for n in range(1, 6):
        ref = street.provider.refs[-1]
        assert ref[-1] == str(n)
        await street.report(street.about(ref, "failed", "3018" if n == 1 else "3010"))
        await street.house.pump()
    assert [c.members[0].text for c in street.provider.calls[1:]] == ["하나", "둘", "셋", "넷"]
    assert (await street.results())[entry.row.message_id] == ("FAILED", "3010", 1)
    (told,) = await street.told()
    assert told["attempts"] == 5


async def test_a_dead_letter_settles_members_whose_call_was_never_begun(street):
    """The call is fixed, the breaker keeps it back, the event dies: surely not sent, so it is settled, and never sent later."""
    street.provider.script.extend(["away"] * 9)
    (entry,) = await street.send(1)
    await street.house.pump()
    ((topic, attributes, data),) = await street.house.rows(
        Lane.REALTIME, "SELECT topic, attributes, data FROM log WHERE topic LIKE 'SEND%'"
    )
    decoded = msgspec.json.decode(attributes)
    letter = Record(topics.dead("send_mt"), {**decoded, "knativeerrordest": "ims:send_mt", "knativeerrorcode": "500"}, data)
    await street.house.store.commit(Lane.REALTIME, Change(), [letter])
    await street.house.pump()
    assert (await street.results())[entry.row.message_id] == ("FAILED", "9999", 1)
    street.provider.script.clear()
    await street.house.store.commit(Lane.REALTIME, Change(), [Record(topic, decoded, data)])
    street.house.now += 60_000
    await release_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    await street.house.pump()
    assert not street.provider.delivered
    assert len(await street.told()) == 1
