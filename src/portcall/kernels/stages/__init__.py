"""Compiled loops that several threads run at once."""
