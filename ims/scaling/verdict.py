"""Which number is the bottleneck, in words: what was waited for is suspected, and the simulation is asked what more of it would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ims.lanes import TRAITS, Lane
from ims.scaling.house import House
from ims.scaling.knobs import Knobs
from ims.scaling.measured import Measured
from ims.scaling.run import Run, percentile, play
from ims.scaling.scenario import LEAD_S, Scenario
from ims.scaling.settings import Autoscaling, Workload

_TRIED = 4  # suspects, the worst first: each is a simulation of its own
_MATTERS = 0.95  # of the time: more than that is no difference
_NOTICED = 0.02  # of the campaigns' time: what was waited for shorter is no suspect
_UNBOUNDED = 1_000  # pods or places, where "no limit" is doubled


@dataclass(frozen=True, slots=True)
class Trial:
    """A number that was suspected, and how long the campaigns take with another one."""

    number: str
    instead: str
    seconds: float | None

    def as_json(self) -> dict[str, object]:
        return {"number": self.number, "instead": self.instead, "campaign_s": self.seconds and round(self.seconds)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer in sentences, and the trials that it stands on."""

    sentences: tuple[str, ...]
    trials: tuple[Trial, ...]
    bottleneck: str  # the number; empty: no campaign, or none of those tried


Change = Callable[[Autoscaling, Scenario], tuple[Autoscaling, Scenario]]


def judge(run: Run, measured: Measured) -> Verdict:
    """Look at what was waited for, and try it."""
    trials: list[Trial] = []
    sentences: list[str] = []
    bottleneck = ""
    if run.recipients:
        alone = play(run.settings, run.scenario.only_bulk(), measured).campaign_s()
        for number, instead, change in _suspects(run)[:_TRIED]:
            settings, scenario = change(run.settings, run.scenario.only_bulk())
            trials.append(Trial(number, instead, play(settings, scenario, measured).campaign_s()))
        bottleneck = _worst(alone, trials)
        sentences += _about_campaigns(run, alone, trials, bottleneck)
    if run.scenario.codes_per_s:
        sentences += _about_codes(run)
    sentences.append(_about_cost(run))
    return Verdict(tuple(sentences), tuple(trials), bottleneck)


def _worst(alone: float | None, trials: list[Trial]) -> str:
    better = [t for t in trials if t.seconds is not None and (alone is None or t.seconds < alone * _MATTERS)]
    return min(better, key=lambda t: t.seconds or 0.0).number if better else ""


def _about_campaigns(run: Run, alone: float | None, trials: list[Trial], bottleneck: str) -> list[str]:
    took = run.campaign_s()
    left = run.recipients - sum(book.called for lane, book in run.house.lanes.items() if not TRAITS[lane].reserved)
    if took is not None:
        said = [f"The last of {run.recipients:,} recipients was handed to the provider {span(took)} after the start."]
    else:
        said = [f"{left:,} of {run.recipients:,} recipients were not handed to the provider within {span(run.seconds)}."]
    said.append(f"The bottleneck is {bottleneck}." if bottleneck else "No single number of those tried is the bottleneck.")
    said += [f"With {t.instead} instead of {t.number}: {span(t.seconds) if t.seconds is not None else 'not done either'}." for t in trials]
    return said


def _about_codes(run: Run) -> list[str]:
    took = run.house.lanes[Lane.AUTH].took
    if not took:
        return ["No code reached the provider."]
    p99 = percentile([t for _, t in took], 0.99) * 1e3
    before = [t for at, t in took if at < LEAD_S]
    said = [f"Codes: p50 {percentile([t for _, t in took], 0.5) * 1e3:.0f} ms, p99 {p99:.0f} ms from the POST to the provider's door"]
    if run.recipients and before:
        said[0] += f"; in the {LEAD_S // 60} minutes before the campaigns p99 was {percentile(before, 0.99) * 1e3:.0f} ms"
    parts = _parts(run.house, run.settings)
    where, most = max(parts.items(), key=lambda part: part[1])
    total = sum(parts.values())
    said[0] += f". Of {total * 1e3:.0f} ms on average {most * 1e3:.0f} are {where}."
    peak, rate = (run.scenario.codes_per_s + run.scenario.realtime_per_s) * run.scenario.peak, run.scenario.fast_rate
    if run.scenario.provider_rate and peak > rate:
        said.append(f"Codes and realtime come at up to {peak:g} a second and have {rate:g} of the provider's rate: they queue for it.")
    return said


def _parts(house: House, settings: Autoscaling) -> dict[str, float]:
    """Average seconds of a code, by where it passed them."""
    intake, route, send = (house.services[settings.of(stage, Lane.AUTH).name] for stage in ("intake", "route", "send_mt"))
    parts = {
        "intake": _each(intake.delivering_s + intake.queueing_s + intake.working_s, intake.handled),
        "the delivery of its two events": _each(route.delivering_s, route.handled) + _each(send.delivering_s, send.handled),
        "route": _each(route.queueing_s + route.working_s, route.handled),
    }
    book = house.lanes[Lane.AUTH]
    whole = _each(sum(took for _, took in book.took), len(book.took))
    parts["send_mt, its provider's rate included"] = max(0.0, whole - sum(parts.values()))
    return parts


def _each(seconds: float, events: int) -> float:
    return seconds / events if events else 0.0


def _about_cost(run: Run) -> str:
    hours = run.pod_hours
    total = sum(hours.values())
    most = ", ".join(f"{name} {hours[name]:.1f}" for name in sorted(hours, key=lambda name: -hours[name])[:3])
    share = min(1.0, run.idle_pods * run.seconds / 3600 / total) if total else 0.0
    return (
        f"{total:.1f} pod-hours in {span(run.seconds)} ({run.cpu_hours:.1f} core-hours requested), {share:.0%} of them by the "
        f"{run.idle_pods} pods that are always there. Most: {most}."
    )


def _suspects(run: Run) -> list[tuple[str, str, Change]]:
    """Numbers that were waited for, the longest wait first, each with what to try instead."""
    waited = [
        (seconds, cause, workload)
        for workload in run.settings.workloads
        if workload.lane is None or not TRAITS[workload.lane].reserved
        for cause, seconds in run.house.services[workload.name].held_back.items()
    ]
    noticed = _NOTICED * (run.campaign_s() or run.seconds)
    found: dict[str, tuple[str, str, Change]] = {}
    for seconds, cause, workload in sorted(waited, key=lambda w: -w[0]):
        if seconds >= noticed and (suspect := _suspect(run, cause, workload)) is not None:
            found.setdefault(suspect[0], suspect)
    s = run.scenario
    number = f"the clients' upload of {s.upload_per_s:g} recipients a second"
    found.setdefault(number, (number, f"{s.upload_per_s * 2:g}", lambda a, s: (a, replace(s, upload_per_s=s.upload_per_s * 2))))
    return list(found.values())


def _suspect(run: Run, cause: str, workload: Workload) -> tuple[str, str, Change] | None:
    s, feeding, knobs = run.scenario, run.settings.feeding, workload.knobs
    match cause:
        case "provider rate":
            number = f"the provider's rate ({s.bulk_rate:g} of {s.provider_rate:g} recipients a second are left to mass and ad)"
            return number, f"a rate of {s.provider_rate * 2:g}", lambda a, s: (a, replace(s, provider_rate=s.provider_rate * 2))
        case "open requests" | "pace of the consumers":
            pods, partitions = feeding.dispatcher_pods * 2, max(feeding.partitions, feeding.dispatcher_pods * 2)
            more = feeding.model_copy(update={"dispatcher_pods": pods, "partitions": partitions})
            return f"dispatcher_pods: {feeding.dispatcher_pods}", f"{pods}", lambda a, s: (replace(a, feeding=more), s)
        case "container_concurrency":
            return _knob(workload, "container_concurrency", knobs.container_concurrency * 2 or _UNBOUNDED)
        case "processors":
            at_most = max(run.series.pods[workload.name], default=0)
            if knobs.max_scale and at_most >= knobs.max_scale:
                return _knob(workload, "max_scale", knobs.max_scale * 2)
            target = knobs.target or knobs.container_concurrency or 100
            return _knob(workload, "target", max(0.01, target / 2))
        case "cold start":
            return _knob(workload, "min_scale", 1)
        case _:
            return None


def _knob(workload: Workload, name: str, value: float) -> tuple[str, str, Change]:
    update: dict[str, object] = {name: value}
    if name == "container_concurrency":
        update["target"] = value
    knobs: Knobs = workload.knobs.model_copy(update=update)

    def change(settings: Autoscaling, scenario: Scenario) -> tuple[Autoscaling, Scenario]:
        workloads = tuple(replace(w, knobs=knobs) if w.name == workload.name else w for w in settings.workloads)
        return replace(settings, workloads=workloads), scenario

    before = getattr(workload.knobs, name)
    return f"{name}: {before:g} of {workload.name}" if before is not None else f"{name} of {workload.name}", f"{value:g}", change


def span(seconds: float) -> str:
    """A time as people say it."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
