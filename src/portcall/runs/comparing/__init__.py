"""Runs that compare: two sides read one after the other, and a baseline learned, kept in a file and held against."""
