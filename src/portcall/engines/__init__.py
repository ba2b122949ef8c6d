"""Captures read by many processes or machines: ranges, receipts, and the parts of partial results that merge."""
