"""The send_mt function."""
