"""Bizgo OMNI (Infobank): texts, AlimTalk and brand messages over its documented HTTP interface, spec of bizgo-sdk-comm 1.2.0."""
