"""Taking calls: which members are new, which are known, which are refused; kept in the journal before anything is said.

Key modes: "call" (as Bizgo: a key is taken once within its life, a repeat is answered as duplicate member by member),
"recipient" (each ref is taken once under a key; the rest of a partly taken call goes), "none" (keys mean nothing).
Nothing here waits, so two requests never mix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from ims.adapters.providers.simulator.journal import Call, Journal, Taken, decode_call
from ims.adapters.providers.simulator.magic import MAGIC, Magic, may_hold
from ims.adapters.providers.simulator.reports import Chunk, chunks_of
from ims.results import NOT_CONNECTED

MAX_MEMBERS = 1_000
ACCOUNTS = ("fast", "bulk")
KEY_MODES = ("call", "recipient", "none")
DUPLICATE = "A301"  # Bizgo's word for it
_REFS = re.compile(r"[\w.:\-]+(?:\n[\w.:\-]+)*", re.ASCII)  # what may stand in JSON, and in a chunk, as it is
_ASKED_FOR_MS = 7 * 86_400_000  # a call can be asked about for so long after its key's life: longer than any send_by


class BadCall(ValueError):
    """A request that is answered 400; says what, never whose."""


@dataclass(slots=True)
class Plan:
    """What a call will come to, decided before anything happens."""

    call: Call
    body: bytes
    refs: str
    duplicates: set[int]
    refused: dict[int, str]  # position: code
    behaviour: Magic | None  # of the whole call
    magic: bool

    @property
    def new(self) -> int:
        return len(self.call.messages) - len(self.duplicates) - len(self.refused)


class Desk:
    """Takes calls for one journal."""

    def __init__(self, journal: Journal, keys: str, magic_scale: float) -> None:
        self._journal = journal
        self._mode = keys
        self._scale = magic_scale
        self._keys: dict[str, tuple[int, tuple[int, ...]]] = {}  # key: until when (ms), calls under it
        self._closed: set[str] = set()
        self._tries: dict[tuple[str, str], int] = {}  # in memory only: a restart begins the tries again
        self._sweep_at = 10_000
        self.calls = 0
        self.duplicates_refused = 0

    def load(self) -> list[tuple[str, list[Chunk]]]:
        """Everything the journal remembers; the reports that nobody has acknowledged, by account."""
        chunks: dict[str, tuple[str, Chunk]] = {}
        for entry in self._journal.load():
            if isinstance(entry, Taken):
                self._remember(entry.call, entry.at, entry.index)
                chunks |= {c.id: (entry.call.account, c) for c in chunks_of(entry, magic=True, scale=self._scale)}
            elif isinstance(entry, str):
                self._closed.add(entry)
            else:
                for id_ in entry:
                    chunks.pop(id_, None)
        return [(account, [chunk]) for account, chunk in chunks.values()]

    def plan(self, body: bytes, now_ms: int) -> Plan:
        """Decide what a posted call comes to. BadCall when it is none."""
        try:
            call = decode_call(body)
        except msgspec.DecodeError as exc:
            raise BadCall("not a call") from exc
        members = call.messages
        if call.account not in ACCOUNTS or not 0 < len(members) <= MAX_MEMBERS or len(call.key) > 200:
            raise BadCall(f"account, 1 to {MAX_MEMBERS} messages, a key of up to 200 characters")
        refs = [m.ref for m in members]
        joined = "\n".join(refs)
        if len(set(refs)) != len(refs) or not _REFS.fullmatch(joined) or joined.count("\n") != len(refs) - 1:
            raise BadCall("refs are letters, digits and ._:- and stand once in a call")
        duplicates = self._known(call, now_ms)
        refused: dict[int, str] = {}
        if call.key in self._closed:
            refused = {i: NOT_CONNECTED for i in range(len(members)) if i not in duplicates}
        plan = Plan(call, body, joined, duplicates, refused, None, magic=may_hold(body))
        if plan.magic and plan.new:
            self._plan_magic(plan)
        return plan

    def take(self, plan: Plan, now_ms: int) -> tuple[bytes, list[Chunk]]:
        """Keep the call, then say so: the answer, and the reports that will follow."""
        self.calls += 1
        self.duplicates_refused += len(plan.duplicates)
        members = plan.call.messages
        chunks: list[Chunk] = []
        index = -1
        if len(plan.duplicates) < len(members) and plan.call.key not in self._closed:
            left_out = sorted(plan.duplicates | plan.refused.keys())
            index, first = self._journal.add_call(now_ms, plan.body, plan.new, left_out)
            self._remember(plan.call, now_ms, index)
            chunks = chunks_of(Taken(index, now_ms, first, plan.call, frozenset(left_out)), plan.magic, self._scale)
        return self._answer(plan, index), chunks

    def look_up(self, key: str) -> bytes | None:
        """The answers of a key's calls, as they were given, also after its life; None: no such call ever came."""
        if key not in self._keys:
            return None
        answers: dict[str, str] = {}
        for index in self._keys[key][1]:
            taken = self._journal.call(index)
            for position, member in enumerate(taken.call.messages):
                magic = MAGIC.get(member.to)
                if position not in taken.left_out:
                    answers[member.ref] = f'{{"ref":"{member.ref}","status":"accepted","code":"","id":"{index}-{position}"}}'
                elif magic and (code := magic.refusal(taken.call.send_type)):
                    answers[member.ref] = f'{{"ref":"{member.ref}","status":"failed","code":"{code}","id":""}}'
        return _envelope(list(answers.values()))

    def close_key(self, key: str) -> None:
        """Take nothing more under a key: so that who was told "never came" can rely on it."""
        if key not in self._closed:
            self._journal.add_closed(key)
            self._closed.add(key)

    def _known(self, call: Call, now_ms: int) -> set[int]:
        until, indices = self._keys.get(call.key, (0, ()))
        if until <= now_ms:
            return set()
        if self._mode == "call":
            return set(range(len(call.messages)))
        taken = {member.ref for index in indices for _, member in self._journal.call(index).accepted()}
        return {i for i, member in enumerate(call.messages) if member.ref in taken}

    def _remember(self, call: Call, at: int, index: int) -> None:
        if self._mode == "none" or not call.key:
            return
        if len(self._keys) >= self._sweep_at:
            self._keys = {key: entry for key, entry in self._keys.items() if entry[0] > at - _ASKED_FOR_MS}
            self._sweep_at = max(10_000, 2 * len(self._keys))
        until, indices = self._keys.get(call.key, (0, ()))
        self._keys[call.key] = (at + call.key_ttl_s * 1000, (*indices, index) if until > at else (index,))

    def _plan_magic(self, plan: Plan) -> None:
        for position, member in enumerate(plan.call.messages):
            magic = MAGIC.get(member.to)
            if magic is None or position in plan.duplicates:
                continue
            if code := magic.refusal(plan.call.send_type):
                plan.refused.setdefault(position, code)
            if magic.call and plan.behaviour is None:
                tried = self._tries.get((plan.call.key, magic.digits), 0)
                if not magic.tries or tried < magic.tries:
                    plan.behaviour = magic
                    if magic.tries:
                        self._tries[plan.call.key, magic.digits] = tried + 1

    def _answer(self, plan: Plan, index: int) -> bytes:
        refs = plan.refs.split("\n")
        if not plan.duplicates and not plan.refused:
            start, end = '{"ref":"', f'","status":"accepted","code":"","id":"{index}-'
            return _envelope([f'{start}{ref}{end}{i}"}}' for i, ref in enumerate(refs)])
        answers = []
        for i, ref in enumerate(refs):
            if i in plan.duplicates:
                answers.append(f'{{"ref":"{ref}","status":"duplicate","code":"{DUPLICATE}","id":""}}')
            elif i in plan.refused:
                answers.append(f'{{"ref":"{ref}","status":"failed","code":"{plan.refused[i]}","id":""}}')
            else:
                answers.append(f'{{"ref":"{ref}","status":"accepted","code":"","id":"{index}-{i}"}}')
        return _envelope(answers)


def _envelope(answers: list[str]) -> bytes:
    return ('{"answers":[' + ",".join(answers) + "]}").encode()
