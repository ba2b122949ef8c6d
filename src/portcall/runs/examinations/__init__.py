"""What `doctor` tries on this machine: a function each, that gives what came of it."""
