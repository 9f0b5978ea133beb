"""Java programs from Maven artifacts: fetched by a pom of infra/java, with our one class compiled beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.needs import Need
from infra.place import ROOT, Place

JAVA = ROOT / "infra" / "java"
NEEDS = (Need("java", "default-jdk-headless"), Need("javac", "default-jdk-headless"), Need("mvn", "maven"))
_FETCH_S = 600


class NotFetched(Exception):
    """Maven or the compiler failed; the text is theirs."""


def folder(place: Place, name: str) -> Path:
    """Where the program lies. Its name changes with the pom and the class, so that an old one is never taken for the new."""
    digest = hashlib.sha256((JAVA / f"{name}.xml").read_bytes() + (JAVA / f"{main_class(name)}.java").read_bytes()).hexdigest()
    return place.lib / f"{name}-{digest[:12]}"


def main_class(name: str) -> str:
    return f"{name.capitalize()}Node"


def class_path(place: Place, name: str) -> str:
    """Every jar by name and in order: a class archive holds for exactly one path."""
    return os.pathsep.join(str(jar) for jar in sorted(folder(place, name).glob("*.jar")))


def fetch(place: Place, name: str) -> Path:
    """The folder, made when it is not there: whole or not at all."""
    done = folder(place, name)
    if done.exists():
        return done
    with place.lib_locked():
        if done.exists():
            return done
        draft = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=place.lib))
        try:
            copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
            _run([NEEDS[2].path(), "-q", "-B", "-f", str(JAVA / f"{name}.xml"), *copy])
            classes = draft / "classes"
            source = JAVA / f"{main_class(name)}.java"
            _run([NEEDS[1].path(), "-cp", f"{draft}/*", "-d", str(classes), str(source)])
            _run(["jar", "cf", str(draft / "node.jar"), "-C", str(classes), "."])  # a class archive takes no folders
            shutil.rmtree(classes)
            draft.rename(done)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return done


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
    if done.returncode:
        raise NotFetched(f"{' '.join(command[:4])}: {(done.stdout + done.stderr)[-2000:]}")
