"""Targets of fuzzing, a module each; ``target_family`` says what is in one."""
