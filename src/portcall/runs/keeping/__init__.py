"""History: windows of live traffic as they end, and reports of those that were kept."""
