"""Flows, owners and names to report rows that add up."""
