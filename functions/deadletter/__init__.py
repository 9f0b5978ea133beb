"""The deadletter function."""
