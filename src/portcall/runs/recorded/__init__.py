"""The wiring of owners that captures themselves name."""
