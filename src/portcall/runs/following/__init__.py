"""Runs without an end: captures that grow, checkpoints from which they go on, and reports of intervals."""
