"""The servers of the production profile on one machine, for a laptop and for CI (`python -m infra`), or for tests (`infra.fixtures`)."""
