"""This machine: network namespaces, privileges, port ranges."""
