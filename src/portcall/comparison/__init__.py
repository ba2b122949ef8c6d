"""What differs: between two reports, and between traffic and what is expected of it. Pure: rows in, rows out."""
