"""What docs/operate.md calls worth an alarm is an alarm. (That the rules are good ones: tests/infra/test_monitoring.py.)"""

from __future__ import annotations

import re

import yaml

from .tree import ROOT


def test_what_operators_are_told_at_3_am_is_a_rule() -> None:
    text = (ROOT / "docs" / "operate.md").read_text().partition("## At 3 a.m.")[2]
    told = [heading for heading in re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) if "ims_" in heading]
    assert len(told) > 5
    rules = " ".join(rule["expr"] for rule in yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text())["groups"][0]["rules"])
    for heading in told:
        expression = re.findall(r"`([^`]*ims_[^`]*)`", heading)[0]
        assert expression in rules
