"""A provider that delivers nothing and can fail in every way: for `make run`, tests and load."""
