"""What payloads say, apart from names: questions, lines of logs, secrets of sessions."""
