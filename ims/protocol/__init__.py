"""The language of the stages: ids, event types, and how an event is sealed into a record of the log."""
