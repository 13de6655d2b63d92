"""How far apart two shares are: Lin, "Divergence measures based on the Shannon entropy" (IEEE Transactions on
Information Theory 1991).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def divergence(first: F64, second: F64) -> float:
    """Jensen-Shannon, in bits, of two vectors of counts, shape (kinds,); 0 where one of them is empty."""
    if first.sum() == 0 or second.sum() == 0:
        return 0.0
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    bits = 0.0
    for one in (p, q):
        some = one > 0
        bits += 0.5 * float(one[some] @ np.log2(one[some] / middle[some]))
    return bits
