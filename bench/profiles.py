"""Where the time goes: py-spy on every process of a run for a while, as a table of functions.

A profiled run is slower than a plain one, so its figures are kept apart. A share is of all samples that could have been
taken: 100 % is a thread that ran, or wanted to and had no core, all the time; a busy machine shows more than it has.
`Runner.run` by itself is uvloop: sockets, timers, callbacks that are C. Processes are not stopped for a sample, since
stopping them makes threads that wait look as if they ran.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bench.children import Child

RATE = 100
_SELF, _OURS, _THEIRS = 30, 40, 15
_OUR_FILES = re.compile(r"\((ims|functions|bench)/")
_PATIENCE_S = 60.0
PY_SPY = Path(sys.executable).parent / "py-spy"


async def record(pids: Mapping[str, int], folder: Path, after_s: float, for_s: float) -> str:
    """Watch all processes side by side; the table."""
    if not PY_SPY.exists():
        raise FileNotFoundError("py-spy is not installed: requirements-bench.lock has it")
    await asyncio.sleep(after_s)
    watchers = {}
    for name, pid in pids.items():
        command = [str(PY_SPY), "record", "-p", str(pid), "-d", str(int(for_s)), "-r", str(RATE), "-f", "raw", "-F", "-t", "--nonblocking"]
        watchers[name] = await Child.start([*command, "-o", str(folder / f"{name}.raw")], folder / "py-spy.log")
    parts = []
    for name, watcher in watchers.items():
        try:
            await asyncio.wait_for(watcher.process.communicate(), for_s + _PATIENCE_S)
        finally:
            await watcher.stop()
        raw = folder / f"{name}.raw"
        parts.append(table(name, raw.read_text() if raw.exists() else "", int(for_s) * RATE))
    return "\n\n".join(parts)


def table(name: str, folded: str, most: int) -> str:
    """Stacks (`thread;outer;inner count`) as the functions that took most, by themselves and with what they called."""
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    total = 0
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if not count.isdigit() or not frames:
            continue
        n = int(count)
        total += n
        threads[thread] += n
        own[frames[-1]] += n
        for frame in set(frames):
            inclusive[frame] += n
    lines = [f"== {name}: {total / most:.0%} of a core"]
    lines += [f"   {n / most:6.1%}  {thread}" for thread, n in threads.most_common(6)]
    ours = Counter({frame: n for frame, n in inclusive.items() if _OUR_FILES.search(frame)})
    parts = (("by itself", own, _SELF), ("ours, with what it called", ours, _OURS), ("others', the same", inclusive - ours, _THEIRS))
    for title, counts, shown in parts:
        lines.append(f" - {title}")
        lines += [f"   {n / most:6.1%}  {frame}" for frame, n in counts.most_common(shown) if n * 200 >= total]
    return "\n".join(lines)
