"""Real databases in MaxMind's format, written for a test."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the writer and what it imports
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet


def write_database(path, records, ip_version=6):
    """``{"203.0.113.0/24": {...}}`` as a file; its path as text."""
    writer = MMDBWriter(ip_version, database_type="Test", ipv4_compatible=ip_version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return str(path)
