"""What IMS decides: one folder a function, none knowing another."""
