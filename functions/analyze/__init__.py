"""The analyze function."""
