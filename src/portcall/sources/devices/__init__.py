"""Frames of this machine as they pass: its interfaces, in its network namespaces, as they come and go."""
