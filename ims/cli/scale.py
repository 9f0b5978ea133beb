"""`ims scale simulate`: a campaign against an autoscaling.yaml, before the cluster sees either."""

from __future__ import annotations

import contextlib
import gc
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ims.cli.home import Json
from ims.cli.show import fail
from ims.errors import Misconfigured
from ims.lanes import Lane

if TYPE_CHECKING:
    from ims.scaling.run import Run
    from ims.scaling.verdict import Verdict

_ROWS = 14  # of the table over time
_WIDTH = 120  # columns; narrower, and names of Services are cut


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    scale = typer.Typer(help="What Knative's autoscaler makes of knative/autoscaling.yaml.", no_args_is_help=True)
    scale.command()(simulate)
    app.add_typer(scale, name="scale")


def simulate(
    campaign: Annotated[list[str] | None, typer.Option(help="Recipients@HH:MM[:ad]; may be given again.")] = None,
    codes: Annotated[float, typer.Option(help="One-time codes a second.")] = 50,
    realtime: Annotated[float, typer.Option(help="Realtime messages a second.")] = 0,
    peak: Annotated[float, typer.Option(help="Codes and realtime times this in the first ten minutes of a campaign.")] = 1,
    autoscaling: Annotated[Path, typer.Option(help="The file to try.")] = Path("knative/autoscaling.yaml"),
    provider_rate: Annotated[float, typer.Option(help="Recipients a second of the provider's account; 0: no limit.")] = 200,
    reserve: Annotated[float, typer.Option(min=0, max=0.99, help="Share of it kept for auth and realtime.")] = 0.3,
    provider_ms: Annotated[float, typer.Option(help="The provider's answer, at the median.")] = 50,
    endpoint_ms: Annotated[float, typer.Option(help="The customers' answer to a callback, at the median.")] = 50,
    report_s: Annotated[float, typer.Option(help="From the provider's answer to its delivery report.")] = 5,
    upload_rate: Annotated[float, typer.Option(help="Recipients a second in which a campaign comes in.")] = 5000,
    event_messages: Annotated[int, typer.Option(min=1, max=200, help="Messages in a full event.")] = 200,
    dispatcher_pods: Annotated[int | None, typer.Option(help="Instead of the file's.")] = None,
    dispatch: Annotated[list[Lane] | None, typer.Option(help="A lane fed by `ims dispatch` instead of KafkaSource.")] = None,
    dispatcher_restart: Annotated[str, typer.Option(help="HH:MM at which KafkaSource's dispatcher restarts.")] = "",
    fresh: Annotated[bool, typer.Option(help="Everything has just been deployed.")] = False,
    minutes: Annotated[int, typer.Option(help="How long; 0: until everything is told and pods have come to rest.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed, the same answer.")] = 1,
    measured: Annotated[Path | None, typer.Option(help="Costs that were measured elsewhere.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw it into this PNG (needs matplotlib).")] = None,
    as_json: Json = False,
) -> None:
    """Pods, lag, latency of codes and pod-hours under a campaign, and which number is the bottleneck."""
    from ims.scaling import measured as costs
    from ims.scaling import settings as files
    from ims.scaling.run import play
    from ims.scaling.scenario import Campaign, Scenario
    from ims.scaling.verdict import judge

    if plot:
        _can_draw()
    if not autoscaling.exists():
        fail(f"{autoscaling} is not there: --autoscaling names the file to try")
    settings = files.read(autoscaling.read_text(), autoscaling.name)
    if dispatcher_pods is not None:
        settings = files.with_dispatcher_pods(settings, dispatcher_pods)
    text = measured.read_text() if measured else resources.files("ims.scaling").joinpath("measured.yaml").read_text()
    found = costs.parse(text, measured.name if measured else "measured.yaml")
    scenario = Scenario(
        campaigns=tuple(sorted((Campaign.parse(c) for c in campaign or ()), key=lambda c: c.at_s)),
        codes_per_s=codes,
        realtime_per_s=realtime,
        peak=peak,
        provider_rate=provider_rate,
        reserve=reserve,
        provider_ms=provider_ms,
        endpoint_ms=endpoint_ms,
        report_s=report_s,
        upload_per_s=upload_rate,
        event_messages=event_messages,
        dispatch=frozenset(dispatch or ()),
        dispatcher_restart_s=_time(dispatcher_restart) if dispatcher_restart else None,
        fresh=fresh,
        seconds=minutes * 60 or (0 if campaign else 900),
        seed=seed,
    )
    with _no_collections():
        run = play(settings, scenario, found)
        verdict = judge(run, found)
    if plot:
        from ims.cli.scale_plot import draw

        draw(run, plot)
    if as_json:
        typer.echo(json.dumps(as_data(run, verdict), indent=2))
    else:
        _print(run, verdict)


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Millions of small objects and no cycles: the collector finds nothing, and takes a quarter of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def as_data(run: Run, verdict: Verdict) -> dict[str, Any]:
    """Everything of a run as JSON has it; the same for the same question."""
    from ims.scaling.run import percentile
    from ims.scaling.scenario import clock

    took = [t * 1e3 for _, t in run.house.lanes[Lane.AUTH].took]
    campaign = run.campaign_s()
    hours = run.pod_hours
    return {
        "from": clock(run.scenario.starts_s),
        "seconds": run.seconds,
        "campaign": {
            "recipients": run.recipients,
            "handed_over_s": None if campaign is None else round(campaign),
            "settled": sum(book.settled for lane, book in run.house.lanes.items() if lane in {Lane.MASS, Lane.AD}),
        },
        "auth_ms": {f"p{share * 100:g}": round(percentile(took, share), 1) for share in (0.5, 0.9, 0.99)} if took else None,
        "pod_hours": {name: round(value, 2) for name, value in hours.items()},
        "pod_hours_total": round(sum(hours.values()), 1),
        "core_hours_requested": round(run.cpu_hours, 1),
        "pods_always_there": run.idle_pods,
        "pods_at_most": {name: max(pods, default=0) for name, pods in run.series.pods.items()},
        "parked": sum(service.parked for service in run.house.services.values()),
        "refused_503": sum(service.refused for service in run.house.services.values()),
        "bottleneck": verdict.bottleneck,
        "tried": [trial.as_json() for trial in verdict.trials],
        "in_words": list(verdict.sentences),
        "series": {
            "at": [clock(run.scenario.starts_s + at) for at in run.series.at_s],
            "pods": run.series.pods,
            "lag_events": run.series.lag,
            "recipients_to_send": run.series.to_send,
            "auth_p99_ms": [None if p99 is None else round(p99, 1) for p99 in run.series.auth_p99_ms],
        },
    }


def _print(run: Run, verdict: Verdict) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from ims.scaling.scenario import clock

    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH) if console.is_terminal else _WIDTH
    busiest = _busiest(run)
    table = Table(box=SIMPLE_HEAD)
    for name in ("time", "recipients to send", "lag, events", "codes p99, ms", "pods", *busiest):
        table.add_column(name, justify="right")
    series = run.series
    for i in _rows(len(series.at_s)):
        p99 = series.auth_p99_ms[i]
        table.add_row(
            clock(run.scenario.starts_s + series.at_s[i]),
            f"{series.to_send[i]:,}",
            f"{sum(lag[i] for lag in series.lag.values()):,}",
            "-" if p99 is None else f"{p99:.0f}",
            str(sum(pods[i] for pods in series.pods.values())),
            *(str(series.pods[name][i]) for name in busiest),
        )
    console.print(table)
    costs = Table("Service", box=SIMPLE_HEAD)
    for name in ("pods at most", "pod-hours", "requests", "longest lag, events"):
        costs.add_column(name, justify="right")
    for name, service in run.house.services.items():
        if service.handled:
            most, lag = max(series.pods[name], default=0), max(series.lag[name], default=0)
            costs.add_row(name, str(most), f"{run.pod_hours[name]:.2f}", f"{service.handled:,}", f"{lag:,}")
    console.print(costs)
    for sentence in verdict.sentences:
        console.print(sentence, soft_wrap=True)


def _busiest(run: Run) -> list[str]:
    """Services whose pods changed most."""
    moved = {name: max(pods) - min(pods) for name, pods in run.series.pods.items() if pods}
    return [name for name in sorted(moved, key=lambda n: -moved[n]) if moved[name]][:4]


def _rows(points: int) -> list[int]:
    """Evenly spread, the first and the last among them."""
    if points <= _ROWS:
        return list(range(points))
    return sorted({round(i * (points - 1) / (_ROWS - 1)) for i in range(_ROWS)})


def _time(text: str) -> int:
    found = re.fullmatch(r"(\d{1,2}):(\d{2})", text)
    if not found:
        raise Misconfigured(f"--dispatcher-restart {text!r}: HH:MM is meant")
    return int(found[1]) * 3600 + int(found[2]) * 60


def _can_draw() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        fail("a plot needs matplotlib, which is not installed here: pip install --require-hashes -r requirements-bench.lock")
