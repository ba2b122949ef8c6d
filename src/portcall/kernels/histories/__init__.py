"""What the order of a conversation's packets tells: its history in letters, bytes that were missed, lengths of IP."""
