"""All states of one partition in memory: key → row, values as bytes, what must be swept as numpy columns; knows no Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.contract.origin import NEVER
from shared.engine.state.head import counter_of

Rows = npt.NDArray[np.intp]


class Store:
    """Rows only grow; `columns` always holds "due" (int64) and "live" (bool) beside the service's own."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.rows: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self._arrays: dict[str, npt.NDArray[Any]] = {
            "due": np.full(1024, NEVER, np.int64),
            "live": np.zeros(1024, np.bool_),
        } | {name: np.zeros(1024, dtype) for name, dtype in columns.items()}

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """Views of the used rows."""
        return {name: array[: len(self.keys)] for name, array in self._arrays.items()}

    def get(self, key: bytes) -> bytes | None:
        """The stored value, None for a key never seen."""
        row = self.rows.get(key)
        return None if row is None else self.values[row]

    def put(self, key: bytes, value: bytes) -> int:
        """Store the value; answers its row."""
        row = self.rows.get(key)
        if row is not None:
            self.values[row] = value
            return row
        row = self.rows[key] = len(self.keys)
        self.keys.append(key)
        self.values.append(value)
        if row == len(self._arrays["due"]):
            self._grow()
        return row

    def restore(self, key: bytes, value: bytes) -> bool:
        """A changelog record: of one key the highest counter wins, the later of equals (rule 9). False: this one lost."""
        row = self.rows.get(key)
        if row is not None and counter_of(value) < counter_of(self.values[row]):
            return False
        self.put(key, value)
        return True

    def index(self, row: int, cells: tuple[int, ...]) -> None:
        """Set the columns of a row: due, live, then the service's own in their order."""
        for array, value in zip(self._arrays.values(), cells, strict=True):
            array[row] = value

    def due_rows(self, as_of: int) -> Rows:
        """Rows whose due instant is at or before `as_of`, in row order: one vectorised compare."""
        return np.flatnonzero(self._arrays["due"][: len(self.keys)] <= as_of)

    def _grow(self) -> None:
        for name, array in self._arrays.items():
            grown = np.empty(2 * len(array), array.dtype)
            grown[: len(array)] = array
            grown[len(array) :] = NEVER if name == "due" else 0
            self._arrays[name] = grown
