"""Archives that a test unpacks."""

import tarfile


def unpack(archive, folder):
    """All of it, and nothing beside the folder; what Python 3.10 and 3.11 are told since a fix of theirs (PEP 706)."""
    with tarfile.open(archive) as packed:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(folder, **safely)  # noqa: S202 - ours, and the corpus's
