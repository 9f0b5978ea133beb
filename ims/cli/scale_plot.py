"""The picture of a simulated run: recipients to send, pods, lag, and the codes' p99, over one time axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ims.scaling.run import Run
from ims.scaling.scenario import clock

_SHOWN = 7  # Services with a line of their own
_INCHES = (8, 8)
_DPI = 80


def draw(run: Run, path: Path) -> None:
    """Into a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    series, start = run.series, run.scenario.starts_s
    figure, (sent, pods, lag, codes) = pyplot.subplots(4, 1, sharex=True, figsize=_INCHES, layout="constrained")
    at = series.at_s
    sent.plot(at, series.to_send, color="black")
    sent.set_ylabel("recipients\nto send")
    moved = sorted(series.pods, key=lambda name: -(max(series.pods[name]) - min(series.pods[name])))[:_SHOWN]
    for name in moved:
        if max(series.pods[name]) > min(series.pods[name]):
            pods.step(at, series.pods[name], where="post", label=name)
    others = [sum(series.pods[name][i] for name in series.pods if name not in moved) for i in range(len(at))]
    pods.step(at, others, where="post", color="grey", linestyle=":", label="all others")
    pods.set_ylabel("pods")
    pods.legend(fontsize=7, ncols=4, loc="upper right")
    behind = sorted(series.lag, key=lambda name: -max(series.lag[name]))[:4]
    for name in behind:
        lag.plot(at, series.lag[name], label=name)
    lag.set_ylabel("lag, events")
    lag.legend(fontsize=7, ncols=4, loc="upper right")
    known = [(t, p99) for t, p99 in zip(at, series.auth_p99_ms, strict=True) if p99 is not None]
    codes.plot([t for t, _ in known], [p99 for _, p99 in known], color="tab:red")
    codes.set_ylim(bottom=0)
    codes.set_ylabel("codes p99, ms\nto the provider")
    label: Any = FuncFormatter(lambda second, _: clock(start + second)[:5])
    codes.xaxis.set_major_formatter(label)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    pyplot.close(figure)
