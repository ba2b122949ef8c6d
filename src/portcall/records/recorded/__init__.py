"""What captures tell of processes: the nouns."""
