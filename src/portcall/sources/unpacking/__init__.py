"""Compressed captures as plain bytes, by processes without rights, in memory that both sides share."""
