"""The commands that compare: ``diff``, ``baseline``, and the option ``--expect`` of read and live."""
