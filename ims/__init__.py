"""The shared library of IMS; imports point down the list in pyproject.toml."""
