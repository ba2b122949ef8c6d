"""What a user asks for: expressions over columns, and endpoints."""
