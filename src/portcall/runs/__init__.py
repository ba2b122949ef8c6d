"""The wiring: where sources, owners and names meet the tracker, for each kind of run."""
