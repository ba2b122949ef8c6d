"""Captures of lakes: objects in stores, and parts of large files."""
