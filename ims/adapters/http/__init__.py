"""Outgoing HTTP to addresses that customers chose."""
