"""The profile of one machine: event log and records on SQLite, a file per lane."""
