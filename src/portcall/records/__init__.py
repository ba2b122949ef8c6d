"""The nouns: frames, packets, flows, owners, detections, sockets, reports and their columns. Pure data."""
