"""The send_email function."""
