"""Who held this endpoint, and when: pure, fed with what owners report."""
