"""Programs that servers need: looked for, installed where that is safe, named with their command where it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # where Debian keeps servers, and where a user's PATH does not lead


class Missing(Exception):
    """A program is not there; the text says how to get it."""


@dataclass(frozen=True)
class Need:
    """A program and the Debian package that has it."""

    program: str
    package: str

    def path(self) -> str:
        found = shutil.which(self.program) or shutil.which(self.program, path=os.pathsep.join(_SBIN))
        if found is None:
            raise Missing(f"{self.program} is not installed: {install_command([self.package])}")
        return found


def install_command(packages: Iterable[str]) -> str:
    return f"apt-get install --no-install-recommends {' '.join(sorted(set(packages)))}"


def missing(needs: Iterable[Need]) -> list[str]:
    """Packages of programs that are not there."""
    packages = set()
    for need in needs:
        try:
            need.path()
        except Missing:
            packages.add(need.package)
    return sorted(packages)


def install(needs: Iterable[Need]) -> None:
    """Install what is missing, as root and where no systemd runs: there a package would start its server, on our port."""
    packages = missing(needs)
    if not packages:
        return
    command = install_command(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None or Path("/run/systemd/system").exists():
        raise Missing(f"not installed; as root: {command}\n(its own servers are not needed: systemctl disable --now redis-server ...)")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=env, check=True, timeout=300)
    subprocess.run([*command.split(), "-y", "-qq"], env=env, check=True, timeout=900, stdout=subprocess.DEVNULL)
