"""Reports in: what portcall wrote as JSON, JSON lines or Parquet, read back and checked like any other input."""
