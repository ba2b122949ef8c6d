"""What came of flows by time, as it is read."""
