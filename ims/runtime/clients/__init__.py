"""What the functions that clients call have in common: who calls, how a body is read, how an answer is worded."""
