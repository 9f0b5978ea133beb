"""What each package of requirements.in costs: time of its import in a fresh interpreter, and size on disk.

Run: python -m bench.packages   (best of 5; size with everything that it needs and nothing else here asked for)
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
MODULE = {
    "bizgo-sdk-comm": "bizgo",
    "functions-framework": "functions_framework.aio",
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "kafka-python": "kafka",
    "localstack-client": "localstack_client.session",
    "cryptography": "cryptography.hazmat.primitives.ciphers.aead",
    "cloudevents": "cloudevents.http",
    "pyyaml": "yaml",
    "h2": "h2.connection",
    "pillow": "PIL.Image",
    "python-multipart": "python_multipart.multipart",
}
_TRIES = 5
_CLOCK = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def import_ms(module: str) -> float:
    """Best of some fresh interpreters."""
    command = [sys.executable, "-c", _CLOCK.format(module)]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(_TRIES)) * 1000


def needs(name: str, seen: set[str]) -> set[str]:
    """The distribution and what it needs on this machine."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return seen
    seen.add(key)
    for text in distribution(key).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needs(requirement.name, seen)
    return seen


def extra_needs(name: str, extra: str) -> set[str]:
    """What an extra of the distribution adds."""
    seen: set[str] = set()
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            needs(requirement.name, seen)
    return seen


def size_mb(names: set[str]) -> float:
    """Their files, compiled ones included."""
    return sum(Path(str(f.locate())).stat().st_size for n in names for f in distribution(n).files or () if f.locate().is_file()) / 1e6


def main() -> None:
    asked = [Requirement(line) for line in (ROOT / "requirements.in").read_text().split("\n") if line and not line.startswith("#")]
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()} {platform.release()}\n")
    print("| Package | Version | Import, ms | Own size, MB | With what it needs, MB |\n|---|---|---|---|---|")
    for requirement in asked:
        name = requirement.name
        extras = {n for extra in requirement.extras for n in extra_needs(name, extra)}
        ms, own, whole = import_ms(MODULE.get(name, name)), size_mb({name}), size_mb(needs(name, set()) | extras)
        print(f"| {name} | {distribution(name).version} | {ms:.0f} | {own:.1f} | {whole:.1f} |")


if __name__ == "__main__":
    main()
