"""Columns of few values as codes and names."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# A code for each row, shape (n,), and what the codes stand for; the last one for null.
Coded = tuple[I64, list[str | None]]


def codes_of(likes: pa.Table, column: str) -> Coded:
    values = likes.column(column)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    parts = values.unify_dictionaries().chunks
    names = parts[0].dictionary.to_pylist() if parts else []
    codes = [pc.fill_null(part.indices, len(names)).to_numpy() for part in parts]
    return np.concatenate([np.zeros(0, np.int64), *codes]).astype(np.int64), [*names, None]


def is_in(likes: pa.Table, column: str, wanted: Collection[str]) -> Mask:
    """Which rows have one of these names there, shape (n,)."""
    codes, names = codes_of(likes, column)
    return np.array([name in wanted for name in names], np.bool_)[codes]
