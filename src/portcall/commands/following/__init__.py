"""Options of commands that go on: captures that grow, reports of intervals, signals."""
