"""The screen as commands have it: its options, whether there can be one, and what runs below it."""
