"""Packets to flows: the table, who opened, how it ended, which ends are local, sums per key."""
