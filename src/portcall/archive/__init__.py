"""What past windows of time left: levels of windows, the file that holds them, and sums over a period of it."""
