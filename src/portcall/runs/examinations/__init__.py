"""What is installed here, and whether it works: what `doctor` tries, a function each, and its rows."""
