"""center: what customers manage and ask for."""
