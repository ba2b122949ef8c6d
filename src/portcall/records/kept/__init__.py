"""What a history keeps: rows of windows of time."""
