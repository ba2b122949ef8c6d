"""Owners as captures name them: a module a format, and one that reads what a capture says in order."""
