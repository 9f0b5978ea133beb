"""The state of a message: what each outcome makes of it, as named transitions (design invariant 10).

Every outcome can arrive twice, early, late or contradict another. First definite result wins; UNKNOWN may become known
once. A result is remembered with the event that caused it (`Told.cause`), so the same event tells the same again.

    nothing yet --accepted--> SENT --report--> DELIVERED | FAILED
    nothing yet --taken, and nothing more will be told--> DELIVERED
    nothing yet --report--> DELIVERED | FAILED          "report_before_answer": the answer then changes nothing
    SENT --deadline--> UNKNOWN --late report--> DELIVERED | FAILED     told again, number 2
    SENT | nothing --definite failure, a step is left--> taken over by the next attempt, nothing is told here
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ims import results
from ims.lanes import Lane
from ims.ports.dispatch import DEFINITE, DELIVERED, FAILED, SENT, UNKNOWN, Call, CallStatus, Dispatch, Member, Told
from ims.protocol.events import DeliveryReport, MessageRefused, SendFinished, Step
from ims.rules.calls import drop


@dataclass(slots=True)
class Folding:
    """One dispatch row, the event that changes it, and what the customer chose for the next step."""

    dispatch: Dispatch
    cause: str
    lane: Lane
    now: int
    steps: list[Step] | None  # None: not looked up, since nothing here can start a step
    notes: list[str] = field(default_factory=list)  # names of transitions that are not the usual one
    changed: bool = False
    _told: list[tuple[Member, Told]] | None = None

    def note(self, name: str) -> None:
        self.notes.append(name)

    @property
    def next_step(self) -> Step | None:
        """The fallback step after this attempt."""
        index = self.dispatch.attempt - 1
        return self.steps[index] if self.steps and index < len(self.steps) else None

    # --- what events do

    def finished(self, data: SendFinished) -> None:
        """A call's outcome."""
        for o in data.outcomes:
            member = self.dispatch.member(o.pos)
            if o.status == "accepted":
                self._accepted(member)
            elif o.status == "delivered":  # a provider that tells no more: a push service, a relay without reports
                self._delivered(member, o.code, data.answered_at, o.provider_code, data.send_type.report_type)
            elif o.status == "failed":
                self._failed(member, o.code, data.answered_at, o.provider_code, data.send_type.report_type)
            else:
                self._uncertain(member, o.code or results.NO_ANSWER)

    def refused(self, data: MessageRefused) -> None:
        """A rule, or a fault of ours, stopped members. One whose call was begun may have gone out: not touched."""
        for r in data.refusals:
            member = self.dispatch.member(r.pos)
            call = self.call_of(member)
            if call and call.status in (CallStatus.FIXED, CallStatus.NOT_SENT):
                drop(self.dispatch, call, {r.pos: (r.result, r.code)})  # surely not sent, and now never
            if member.call >= 0:
                self.note("refused_but_in_a_call")
            elif member.result:
                self._again(member, "refused_after_result")
            else:
                self._tell(member, r.result, r.code, self.now, "", data.report_type)

    def reported(self, pos: int, report: DeliveryReport) -> None:
        """A provider's delivery report."""
        member = self.dispatch.member(pos)
        kind = report.report_type or self._type(member)
        if report.status == "delivered":
            self._delivered(member, report.code, report.reported_at, report.provider_code, kind)
        elif report.status == "failed":
            self._failed(member, report.code, report.reported_at, report.provider_code, kind)
        else:
            self._uncertain(member, report.code)

    def deadline(self) -> None:
        """A time of this row has passed: steps that were waited for, reports that never came."""
        for call in self.dispatch.calls:
            if call.step_due and call.step_due <= self.now:
                call.step_due = 0
                self.changed = True
                for member in self.dispatch.open_members(call):
                    self._uncertain(member, "after_s")
            if call.report_due and call.report_due <= self.now:
                for member in self.dispatch.open_members(call):
                    if not self._step(member, results.NO_REPORT, unknown=True):
                        self._tell(member, UNKNOWN, results.NO_REPORT, self.now, "", call.send_type.report_type)

    # --- transitions

    def _accepted(self, member: Member) -> None:
        if not member.result and not member.stepped:
            member.result = SENT
            self.changed = True
        elif member.result != SENT:
            self.note("report_before_answer")

    def _delivered(self, member: Member, code: str, at: int, provider_code: str, kind: str) -> None:
        if member.stepped:
            self.note("late_success_after_fallback")
        elif member.result in ("", SENT, UNKNOWN):
            self._tell(member, DELIVERED, code or results.SUCCESS, at, provider_code, kind)
        else:
            self._again(member, "repeated_report" if member.result == DELIVERED else "contradicting_report")

    def _failed(self, member: Member, code: str, at: int, provider_code: str, kind: str) -> None:
        if member.stepped:
            self.note("late_failure_after_fallback")
        elif member.result == UNKNOWN:
            self._tell(member, FAILED, code, at, provider_code, kind)  # told already: too late for a fallback
        elif member.result in ("", SENT):
            found = results.look_up(results.family_of(kind), code)
            if not (found.fallback_allowed(self.lane) and self._step(member, code, unknown=False)):
                self._tell(member, FAILED, code, at, provider_code, kind)
        else:
            self._again(member, "repeated_report" if member.result == FAILED else "contradicting_report")

    def _uncertain(self, member: Member, code: str) -> None:
        """Nobody knows yet: the next step may start if the customer chose so, else the deadline decides."""
        if member.stepped or member.result in DEFINITE or member.result == UNKNOWN:
            self.note("uncertain_after_result")
        elif not self._step(member, code, unknown=True):
            self.note("uncertain")
            if not member.result:
                member.result = SENT
                self.changed = True

    def _step(self, member: Member, code: str, *, unknown: bool) -> bool:
        """Hand a member to the next attempt, where there is one and the customer's choice allows it."""
        step = self.next_step
        if step is None or (unknown and not step.on_unknown):
            return False
        member.stepped = self.cause
        member.step_note = code
        self.changed = True
        self.note("fallback")
        return True

    def _tell(self, member: Member, result: str, code: str, at: int, provider_code: str, kind: str) -> None:
        previous = member.told[-1].result if member.told else ""
        member.told.append(Told(self.cause, len(member.told) + 1, result, code, at, previous, provider_code, kind))
        member.result = result
        self.changed = True
        if previous:
            self.note("unknown_became_known")

    def _again(self, member: Member, name: str) -> None:
        if not any(t.cause == self.cause for t in member.told):
            self.note(name)

    def _type(self, member: Member) -> str:
        call = self.call_of(member)
        return call.send_type.report_type if call else ""

    def call_of(self, member: Member) -> Call | None:
        """The call that a member stands in."""
        return self.dispatch.calls[member.call] if 0 <= member.call < len(self.dispatch.calls) else None

    # --- what is to be emitted because of this event, now or again

    def told(self) -> list[tuple[Member, Told]]:
        """Results that this event brought about, by position. Asked for once everything is folded."""
        if self._told is None:
            members = sorted(self.dispatch.members.values(), key=lambda m: m.pos)
            self._told = [(m, t) for m in members for t in m.told if t.cause == self.cause]
        return self._told

    def stepped(self) -> list[Member]:
        """Members that this event handed to the next attempt, by position."""
        return sorted((m for m in self.dispatch.members.values() if m.stepped == self.cause), key=lambda m: m.pos)


def needs_steps(statuses: set[str]) -> bool:
    """Whether folding these outcomes may start a fallback, so that the customer's steps must be looked up."""
    return bool(statuses - {"accepted", "delivered"})
