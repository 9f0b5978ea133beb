"""Real servers as fixtures, for every suite."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # infra and bench are no installed packages

pytest_plugins = ["infra.fixtures"]
