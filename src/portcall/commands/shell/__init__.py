"""What fits portcall into a shell: completion of command lines, the command that prints it, and its answers."""
