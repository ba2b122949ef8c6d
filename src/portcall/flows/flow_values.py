"""What rows of the flow table say, in columns: who of the two is the client, and what each of them sent.

One compiled pass reads each row once, wherever it lies, and puts its values at the place where they are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portcall.kernels.ends import MARKS, VALUES, fill
from portcall.labels.service_keys import HAS_PORTS

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FlowValues:
    """Columns of so many rows, which are ``put`` before anybody reads them."""

    def __init__(self, count: int) -> None:
        self._values = np.empty((len(VALUES), count), np.int64)
        self._marks = np.empty((len(MARKS), count), np.bool_)

    def put(
        self,
        flows: NDArray[np.void],
        clients_are_low: NDArray[np.bool_],
        rows: NDArray[np.int64],
        places: NDArray[np.int64],
    ) -> None:
        """Put rows of FLOW[n], whose clients bool[n] tells, at these places. IndexError where there are none such."""
        fill(flows, rows, places, clients_are_low, HAS_PORTS, self._values, self._marks)

    @classmethod
    def of_all(cls, flows: NDArray[np.void], clients_are_low: NDArray[np.bool_]) -> FlowValues:
        """Of FLOW[n] in their order, whose clients bool[n] tells."""
        values, rows = cls(len(flows)), np.arange(len(flows))
        values.put(flows, clients_are_low, rows, rows)
        return values

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        """int64[n]: one of the kernel's VALUES."""
        return np.asarray(self._values[VALUES.index(name)])

    def are(self, name: str) -> NDArray[np.bool_]:
        """bool[n]: one of the kernel's MARKS."""
        return np.asarray(self._marks[MARKS.index(name)])
