"""Reading a capture by several threads: what they do ahead of the one that asks for its batches."""
