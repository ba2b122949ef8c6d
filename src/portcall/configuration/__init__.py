"""What users set once for themselves: options that they always give, networks and apps of their own."""
