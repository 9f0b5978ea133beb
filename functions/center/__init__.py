"""center: files now; management, statistics and history with the consoles."""
