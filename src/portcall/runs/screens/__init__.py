"""What feeds the screen: live traffic as it is counted, or a capture that was read."""
