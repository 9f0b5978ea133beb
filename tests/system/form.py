"""Which form of the system tests runs, and from which seed: read from the environment here."""

from __future__ import annotations

import os
import random

LONG = os.environ.get("IMS_SYSTEM_LONG") == "1"
SEED = int(os.environ.get("IMS_SYSTEM_SEED") or random.SystemRandom().randrange(1_000_000))
