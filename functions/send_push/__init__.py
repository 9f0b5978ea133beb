"""The send_push function."""
