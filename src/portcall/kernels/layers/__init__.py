"""The header layers that the decoding kernel walks over, a family a file."""
