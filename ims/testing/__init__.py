"""Fakes at the ports, for tests of IMS and of those who extend it."""
