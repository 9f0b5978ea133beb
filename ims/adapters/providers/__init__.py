"""One folder per provider: its codes, calls and reports together."""
