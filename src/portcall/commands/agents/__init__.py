"""Doors for programs that ask in the place of people."""
