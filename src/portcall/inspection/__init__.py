"""Payloads to detections, and detections to the names of servers."""
