"""Consumer groups that a release had: dropped or renamed, a group's events would be read again from the beginning, or never.

knative/released-groups.yaml remembers them, by the KafkaSource that reads them; `--release` adds the present ones to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import yaml

HEAD = "# KafkaSource: consumer group, of every release. Written by `python -m ims.manifests --release`; nothing leaves it by hand.\n"


def lost(released: Mapping[str, str], now: Mapping[str, str], dropped: Collection[str]) -> list[str]:
    """What a cluster that runs the last release would lose, in words. `dropped`: groups that somebody said may go."""
    found = []
    for source, group in sorted(released.items()):
        if group in dropped or now.get(source) == group:
            continue
        if source not in now:
            found.append(f"KafkaSource {source} is gone: deleting it deletes the consumer group {group} and its offsets")
        else:
            found.append(f"KafkaSource {source} reads as {now[source]}, not as {group}: consumerGroup is immutable, a cluster refuses it")
    return found


def read(text: str) -> dict[str, str]:
    """The record."""
    found: dict[str, str] = yaml.safe_load(text) or {}
    return found


def dump(groups: Mapping[str, str]) -> str:
    """The record as a file."""
    return HEAD + yaml.safe_dump(dict(sorted(groups.items())), sort_keys=False)
