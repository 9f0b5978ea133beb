"""What turns delivered events into decisions, and decisions into commits and outputs."""
