"""Options that commands share, or that are more than a line of one: a family a file."""
