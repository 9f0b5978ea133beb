"""The send_rcs function."""
