"""The callback function."""
