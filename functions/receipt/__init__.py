"""The receipt function."""
