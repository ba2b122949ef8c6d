"""Captures that remember whose packets they hold, written: blocks and files, and nothing of how owners are found."""
