"""Traffic without an end: conversations leave when they are over, or where memory is bounded."""
