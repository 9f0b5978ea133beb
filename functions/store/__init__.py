"""The store function."""
