"""What must stay true of the tree: where things are spelled, where the environment is read, how long files are."""

from __future__ import annotations

import ast
import re

import pytest
from prometheus_client.metrics import MetricWrapperBase

from ims import telemetry, topics
from ims.lanes import Lane
from ims.protocol.events import TYPES
from ims.serve.app import NAMES

from .tree import ROOT, name_of, python, strings, tracked

LONG_LINES = 400
LONG = {
    "ims/adapters/sql/registry_tables.py": "the tables of one database, as data",
    "ims/results.py": "result codes of every channel, as data: one table",
    "tests/e2e/harness.py": "one library of what a user of IMS does, for tests that may import nothing of ours",
    "tests/ims/adapters/test_registry.py": "one suite over one adapter",
}
ENVIRONMENT = {
    "ims/config.py": "secrets that lie in files: IMS_<NAME>_FILE",
    "ims/serve/up.py": "hands the environment on to its children, with what they need of it",
    "ims/serve/host.py": "reads what ims up gave it: IMS_CHILD, IMS_INTERNAL_TOKEN, IMS_INTAKE_BULK_URL",
    "ims/serve/metrics.py": "PROMETHEUS_MULTIPROC_DIR is the library's own variable",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_function_says_what_it_consumes_and_emits(name: str) -> None:
    module = ast.parse((ROOT / "functions" / name / "main.py").read_text())
    said = ast.get_docstring(module) or ""
    assert said.startswith(f"{name}: ")
    assert re.search(r"Consumes|HTTP", said)
    assert re.search(r"[Ee]mits", said)
    for word in re.findall(r"\b(?:message|send|delivery|deadline|stage|audit)\.[a-z]+\b", said):
        assert f"ims.{word}.v1" in TYPES, f"{word} is no event type"


def test_every_stage_has_a_function_and_every_function_is_a_stage_or_takes_http() -> None:
    assert set(topics.STAGES) | {"intake", "receipt", "center"} == set(NAMES)


def test_topics_are_spelled_in_one_file() -> None:
    every = {topic for lane in Lane for topic in topics.all_topics(lane) if not topic.endswith("-DLT")}
    begin = re.compile("|".join(re.escape(topic.rpartition("-")[0]) + "-" for topic in every))
    found = [
        f"{name_of(path)}:{line} {text[:40]}"
        for path in python("ims", "functions")
        if name_of(path) != "ims/topics.py"
        for line, text in strings(path)
        if begin.match(text) or text.endswith("-DLT")
    ]
    assert found == []


def test_the_environment_is_read_where_it_may_be() -> None:
    texts = {name_of(p): p.read_text() for p in python("ims", "functions")}
    assert {name for name, text in texts.items() if re.search(r"\bos\.(environ|getenv)\b|\benvvar\b", text)} == set(ENVIRONMENT)
    assert [name for name, text in texts.items() if "BaseSettings" in text] == ["ims/config.py"]


def test_no_file_grows_past_what_one_idea_needs() -> None:
    kinds = {".py", ".md", ".yaml", ".sh"}
    written = [p for p in tracked() if p.suffix in kinds and not name_of(p).startswith("knative/generated/")]  # make manifests
    long = {name_of(p) for p in written if len(p.read_text().splitlines()) > LONG_LINES}
    assert long == set(LONG), "split it, or list it with a reason"


def test_every_metric_is_counted_somewhere() -> None:
    names = {name for name, value in vars(telemetry).items() if isinstance(value, MetricWrapperBase)}
    code = "\n".join(p.read_text() for p in python("ims", "functions") if name_of(p) != "ims/telemetry.py")
    unused = {name for name in names if not re.search(rf"\b{name}\.(labels|inc|set|observe)\b", code)}
    assert not unused


def test_no_type_is_ignored_without_saying_which() -> None:
    bare = re.compile(r"#\s*type:\s*ignore\s*(#|$)", re.MULTILINE)
    assert [name_of(p) for p in python("ims", "functions", "bench") if bare.search(p.read_text())] == []


def test_no_path_of_a_machine_and_no_address_of_a_registry() -> None:
    machine = re.compile(r"(?:^|[^\w./-])/(?:work|farm|root)/", re.MULTILINE)
    registry = re.compile(r"https?://[\w.-]*(?:pypi|npmjs|registry|goproxy|maven|crates)[\w.-]*", re.IGNORECASE)
    found = []
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".in", ".lock", ".yaml", ".yml", ".sh", ".json", ""}:
            text = path.read_text(errors="replace")
            found += [f"{name_of(path)}: {m[0].strip()}" for pattern in (machine, registry) for m in pattern.finditer(text)]
    assert found == []


def test_locks_pin_what_is_asked_for() -> None:
    for asked, lock in (("requirements.in", "requirements.lock"), ("requirements-dev.in", "requirements-dev.lock")):
        names = re.findall(r"^[a-z][a-z0-9-]+", (ROOT / asked).read_text(), re.MULTILINE)
        text = (ROOT / lock).read_text()
        assert names
        assert [n for n in names if not re.search(rf"^{re.escape(n)}==", text, re.MULTILINE)] == []
        assert "--hash=sha256:" in text
