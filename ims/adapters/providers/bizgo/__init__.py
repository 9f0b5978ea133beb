"""Bizgo OMNI (Infobank): texts and AlimTalk over its documented HTTP interface, spec of bizgo-sdk-comm 1.2.0."""
