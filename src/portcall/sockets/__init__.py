"""Sockets that exist now: their rows, what was asked for, who can reach them, what changed."""
