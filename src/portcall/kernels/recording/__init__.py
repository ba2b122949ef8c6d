"""Compiled loops of recording: frames and what is known of them → blocks of a capture."""
