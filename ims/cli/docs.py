"""Renders the generated parts of docs/ from the code that they describe: `make docs`, `python -m ims.cli.docs`.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/repo/test_docs.py compares what is there with
what this file would write.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ims import telemetry, topics
from ims.codes import CODES
from ims.config import Settings
from ims.lanes import TRAITS, Lane
from ims.protocol.events import TYPES
from ims.results import all_codes
from ims.rules import law
from ims.scaling.knobs import Feeding, Knobs

ROOT = Path(__file__).resolve().parents[2]
_PART = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings() -> str:
    """Every setting with its default and sentence."""
    return table(
        ("Variable", "Default", "Allowed", "What it sets"),
        ((f"`IMS_{name.upper()}`", _code(f.default), _allowed(f), f.description) for name, f in Settings.model_fields.items()),
    )


def _code(value: object) -> str:
    return f"`{value}`" if str(value) else ""


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " ".join(_code(value) or "(empty)" for value in get_args(field.annotation))
    signs = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
    return " ".join(f"{sign} {getattr(m, name)}" for m in field.metadata for name, sign in signs if hasattr(m, name))


def codes() -> str:
    """The synchronous codes."""
    return table(
        ("Code", "HTTP", "Name", "Korean", "English"),
        ((c.code, c.status, c.name, c.ko, c.en) for c in CODES.values()),
    )


def results() -> str:
    """The result codes of every family."""
    return table(
        ("Family", "Code", "Class", "Fallback", "Retried", "Recipient", "Korean", "English"),
        ((r.family, r.code, r.result_class.value, r.fallback, r.retryable, r.recipient_effect, r.ko, r.en) for r in all_codes()),
    )


def rules() -> str:
    """The rules of law, carriers and Kakao."""
    return table(
        ("Rule", "Korean", "English", "From", "Answer", "Result", "Moved by", "Decided in"),
        ((r.id, r.ko, r.en, r.source, r.answer, r.result, r.moved_by, _code(r.where)) for r in law.rules()),
    )


def metrics() -> str:
    """The metrics of telemetry."""
    found = [m for m in vars(telemetry).values() if isinstance(m, MetricWrapperBase)]
    return table(("Metric", "Kind", "Labels", "What it counts"), (_metric(m) for m in found))


def metric_name(metric: MetricWrapperBase) -> str:
    """As Prometheus sees it."""
    name = next(iter(metric.describe())).name
    return f"{name}_total" if isinstance(metric, Counter) else name


def _metric(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    described = next(iter(metric.describe()))
    return f"`{metric_name(metric)}`", described.type, ", ".join(metric._labelnames), described.documentation


def events() -> str:
    """The event types."""
    return table(
        ("Type", "What it says", "Fields"),
        ((f"`{name}`", (data.__doc__ or "").strip(), ", ".join(data.__struct_fields__)) for name, data in TYPES.items()),
    )


def topic_table() -> str:
    """Who reads which topic, by lane."""
    return table(
        ("Stage", *(lane.value for lane in Lane)),
        ((stage, *(" ".join(topics.consumed_by(stage, lane)) or "-" for lane in Lane)) for stage in topics.STAGES if stage != "deadletter"),
    )


def lanes() -> str:
    """What differs from lane to lane."""
    return table(
        ("Lane", "First letter of its ids", "To be sent within", "Reserved", "Messages in an event"),
        ((lane.value, t.letter, f"{t.send_within_s} s", "yes" if t.reserved else "no", t.batch_rows) for lane, t in TRAITS.items()),
    )


def knobs() -> str:
    """What knative/autoscaling.yaml may say of a Service."""
    return _knob_table(Knobs)


def feeding() -> str:
    """What it may say of what feeds them."""
    return _knob_table(Feeding)


def _knob_table(model: type[BaseModel]) -> str:
    made = model.model_fields.items()
    fields = [(name, f, f.json_schema_extra) for name, f in made if isinstance(f.json_schema_extra, dict)]
    return table(
        ("Knob", "Default", "Allowed", "What it is", "Latency", "Cost", "Where it goes"),
        ((f"`{name}`", _default(f), _allowed(f), f.description, of["latency"], of["cost"], f"`{of['at']}`") for name, f, of in fields),
    )


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else _code(field.default)


def commands() -> str:
    """Every command of `ims`, sub-commands too."""
    from ims.cli.main import app

    return table(("Command", "What it does"), ((f"`ims {name}`", text) for name, text in _commands(typer.main.get_command(app), "")))


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", (command.help or "").splitlines()[0]


def channels() -> str:
    """A body of sendMessage for each channel: the example that the OpenAPI document shows."""
    from functions.intake.channels import FORMS

    return "\n".join(
        f"### `POST /ims/{{serviceKey}}/{channel}/sendMessage`\n```json\n{json.dumps(form.example, ensure_ascii=False, indent=2)}\n```\n"
        for channel, form in FORMS.items()
    )


def footprint() -> str:
    """What the manifests make of a cluster."""
    from ims.manifests.footprint import idle, things

    rows = ((i.name, i.services, i.pods, f"{i.cpu_millicores / 1000:g}", f"{i.memory_mebibytes / 1024:.1f}") for i in idle())
    return table(("What", "How many"), things()) + "\n" + table(("At rest", "Services", "Pods", "CPU", "Memory, GiB"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "codes": codes,
    "results": results,
    "rules": rules,
    "metrics": metrics,
    "events": events,
    "topics": topic_table,
    "lanes": lanes,
    "commands": commands,
    "knobs": knobs,
    "feeding": feeding,
    "footprint": footprint,
    "channels": channels,
}


def rendered(text: str) -> str:
    """A document with its generated parts as they are now. KeyError for a part that nobody makes."""
    return _PART.sub(lambda m: f"{m[1]}{PARTS[m['name']]()}{m[3]}", text)


def documents() -> list[Path]:
    """Every document with a generated part."""
    return [path for path in sorted(ROOT.glob("docs/**/*.md")) if _PART.search(path.read_text())]


def main() -> int:
    """Write what differs."""
    for path in documents():
        text = path.read_text()
        if (fresh := rendered(text)) != text:
            path.write_text(fresh)
            sys.stdout.write(f"rendered {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
