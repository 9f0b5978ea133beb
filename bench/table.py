"""All results files as one markdown table, for docs/performance.md: `python -m bench table`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.results import load

_MARKS = {"goal": "goal", "reach": "reached", "missed": "**missed**", "": ""}


def table(out: Path) -> str:
    """The table, and under it the machine that the figures come from."""
    documents = load(out)
    lines = [
        "| scenario | figure | measured | | reach now | the goal | p50 / p90 / p99 / max, ms | books | commit, day |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for document in documents:
        lines += _rows(document)
    lines += ["", *sorted({_machine(d) for d in documents})]
    return "\n".join(lines)


def _rows(document: dict[str, Any]) -> list[str]:
    name = document["scenario"] + ("" if document["form"] == "full" else f" ({document['form']})")
    books = "agree" if document["agree"] else "**do not agree**"
    about = f"{document['commit']['id'] or '?'}{'+' if document['commit']['changed'] else ''}, {document['at'][:10]}"
    distributions = document["distributions"]
    rows = []
    for figure in document["figures"]:
        d = distributions.get(figure["name"])
        spread = f"{d['p50']:.4g} / {d['p90']:.4g} / {d['p99']:.4g} / {d['max']:.4g}" if d else ""
        measured = f"{_number(figure['value'])} {figure['unit']}"
        bounds = [_number(figure[b]) if figure[b] is not None else "" for b in ("reach", "goal")]
        rows.append("| " + " | ".join([name, figure["name"], measured, _MARKS[figure["reached"]], *bounds, spread, books, about]) + " |")
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine(document: dict[str, Any]) -> str:
    m, v = document["machine"], document["versions"]
    return (
        f"{m['cores']} cores of {m['cpu']}, {m['memory_gib']} GiB, Linux {m['kernel']}, {m['file_system']}, a sync of 4 KiB in "
        f"{m['sync_4k_us']} us, an empty turn of a Python loop in {m['python_loop_ns']} ns; Python {v['python']}, SQLite {v['sqlite']}."
    )
