"""A picture of a run: rate at the ends, lag per lane and stage, memory and CPU of every process, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_COLOURS = 32
_MOST_LAGS = 8  # lines in one picture; the largest


def draw(path: Path, title: str, series: Mapping[str, Mapping[str, Any]]) -> bool:
    """The PNG; False where matplotlib (requirements-bench) is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = [(name, part) for name, part in series.items() if len(part["t_s"]) > 1]
    if not parts:
        return True
    figure, axes = pyplot.subplots(4, len(parts), figsize=(max(9, 6 * len(parts)), 13), squeeze=False, sharex="col")
    for column, (name, part) in enumerate(parts):
        times = part["t_s"]
        rate, lag, memory, cpu = axes[:, column]
        for end in ("accepted", "sent", "told"):
            rate.plot(times[1:], _rates(times, part[end]), label=end)
        rate.set(title=f"{title} {name}", ylabel="messages a second")
        lags = sorted(part["lag_events"].items(), key=lambda entry: -max(entry[1]))[:_MOST_LAGS]
        for label, values in lags:
            lag.plot(times[: len(values)], values, label=label)
        lag.set(ylabel="lag, events")
        for label, values in part["rss_mib"].items():
            memory.plot(times[: len(values)], values, label=label)
        memory.set(ylabel="resident memory, MiB", ylim=(0, None))
        for label, values in part["cpu_s"].items():
            cpu.plot(times[1 : len(values)], _rates(times, values), label=label)
        cpu.set(ylabel="cores", xlabel="seconds", ylim=(0, None))
        for axis in (rate, lag, memory, cpu):
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    pyplot.close(figure)
    _shrink(path)
    return True


def _shrink(path: Path) -> None:
    """Few colours: a quarter of the bytes, since pictures lie in the repository."""
    from PIL import Image  # matplotlib's own

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(_COLOURS)
    small.save(path, optimize=True)


def _rates(times: Sequence[float], counts: Sequence[float]) -> list[float]:
    steps = zip(times, times[1:], counts, counts[1:], strict=False)
    return [max(0, after - before) / max(end - start, 0.001) for start, end, before, after in steps]
