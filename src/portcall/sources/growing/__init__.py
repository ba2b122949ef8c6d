"""Captures that are still being written: files that grow, and folders into which more of them come."""
