"""What a program that asks for somebody else may know: bounded answers, of files beneath one folder."""
