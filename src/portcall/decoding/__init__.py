"""Frames to packets: which layer a frame begins with, and the walk over its headers."""
