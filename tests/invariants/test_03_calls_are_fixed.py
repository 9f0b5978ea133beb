"""Invariant 3: a call is fixed before it is made; its members never change and stand in no other call."""

from __future__ import annotations

from ims.lanes import Lane
from ims.ports.dispatch import CallStatus, unpack
from ims.ports.providers import Answer
from ims.runtime.pools import Weighed
from ims.testing.provider import ScriptedProvider


async def calls_of(street, lane=Lane.REALTIME):
    rows = await street.house.rows(lane, "SELECT doc, version FROM dispatches ORDER BY birth, attempt")
    return [call for doc, version in rows for call in unpack(doc, version).calls]


async def test_the_row_names_the_call_before_the_provider_is_called(street):
    seen = []
    real = street.provider.send

    async def look(call):
        seen.extend(await calls_of(street))
        return await real(call)

    street.provider.send = look
    await street.send(3)
    await street.house.pump()
    (call,) = seen
    assert call.status == CallStatus.TRYING
    assert call.members == [0, 1, 2]
    assert call.key == street.provider.calls[0].key


async def test_a_repeat_is_the_stored_call_whole_under_its_key(street):
    street.provider.script.extend(["hung", "ok"])
    await street.send(3)
    await street.house.pump()
    street.house.now += 2_000
    await release(street)
    first, second = street.provider.calls
    assert first.key == second.key
    assert [m.ref for m in first.members] == [m.ref for m in second.members]
    assert set(street.provider.delivered.values()) == {1}


async def release(street, lane=Lane.REALTIME):
    from ims.runtime.release import release_due

    await release_due(lane, street.house.ctx, street.house.ctx.due)
    await street.house.pump()


async def test_routed_twice_nothing_goes_twice(street):
    await street.send(5)
    await street.house.pump(twice=True)
    assert len(street.provider.calls) == 1
    assert set(street.provider.delivered.values()) == {1}


async def test_a_smaller_limit_does_not_cut_again(make_street):
    street = await make_street(ScriptedProvider(max_members=200))
    street.provider.script.append("away")
    await street.send(4)
    await street.house.pump()
    smaller = ScriptedProvider(max_members=1)
    for key in street.house.ctx.providers:
        street.house.ctx.providers[key] = [Weighed(smaller)]  # type: ignore[index]
    street.house.now += 10_000
    await release(street)
    assert [len(c.members) for c in smaller.calls] == [4], "the call stays as it was fixed"


async def test_one_message_a_call_fixes_ten_at_a_time(make_street):
    street = await make_street(ScriptedProvider(max_members=1))
    most = 0
    real = street.provider.send

    async def look(call):
        nonlocal most
        open_calls = [c for c in await calls_of(street) if c.status != CallStatus.DONE]
        most = max(most, len(open_calls))
        return await real(call)

    street.provider.send = look
    await street.send(25)
    await street.house.pump()
    assert most == 10
    assert len(street.provider.calls) == 25
    assert set(street.provider.delivered.values()) == {1}


async def test_rows_of_different_texts_share_an_event_but_not_a_call_of_one_text(make_street):
    street = await make_street(ScriptedProvider(one_text=True))
    entries = [street.entry(text=f"인증번호 {n}") for n in (1, 1, 2)]
    await street.accept(*entries)
    await street.house.pump()
    assert sorted(len(c.members) for c in street.provider.calls) == [1, 2]


async def test_rows_whose_buttons_come_out_differently_share_no_call_of_one_text(make_street):
    street = await make_street(ScriptedProvider(one_text=True))
    button = {"type": "WL", "name": "보기", "url_mobile": "https://a.example/#{id}"}
    common = {"text": "#{name}님", "attachment": {"button": [button]}}
    values = [{"id": "1", "name": "가"}, {"id": "1", "name": "나"}, {"id": "2", "name": "가"}]
    await street.accept(*(street.entry(mapping=mapping, **common) for mapping in values))
    await street.house.pump()
    assert sorted(len(c.members) for c in street.provider.calls) == [1, 2]


async def test_opt_out_and_stop_are_decided_when_the_call_is_fixed(street):
    entries = await street.send(3)
    gone = street.house.ctx.sealer.index(entries[1].row.to)
    await street.house.registry.add_opt_outs("acme", "mt", [gone])
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 2
    assert (await street.results())[entries[1].row.message_id][:2] == ("REJECTED", "7102")
    stopped = await street.send(2, campaign_id="c9")
    await street.house.registry.put_stop("campaign", "c9")
    street.house.now += 6_000
    await street.house.pump()
    assert sum(street.provider.delivered.values()) == 2
    assert {(await street.results())[e.row.message_id][:2] for e in stopped} == {("REJECTED", "7130")}


async def test_a_member_that_was_refused_stays_refused(street):
    """The opt-out is taken back, the event comes again: the decision stands."""
    entries = await street.send(1)
    index = [street.house.ctx.sealer.index(entries[0].row.to)]
    await street.house.registry.add_opt_outs("acme", "mt", index)
    await street.house.pump()
    await street.house.registry.remove_opt_outs("acme", "mt", index)
    await street.house.forget_positions()
    await street.house.pump()
    assert not street.provider.calls
    assert len(await street.told()) == 1


async def test_per_member_answers(street):
    entries = await street.send(3)
    street.provider.script.append([Answer("accepted"), Answer("failed", "3003", "A306"), Answer("unknown", "8005")])
    await street.house.pump()
    results = await street.results()
    assert results == {entries[1].row.message_id: ("FAILED", "3003", 1)}
