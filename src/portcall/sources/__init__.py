"""Bytes in: one file per capture format, and streams over plain and compressed files."""
