"""Loops that only live traffic needs."""
