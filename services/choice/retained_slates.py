"""What a partition keeps of what was shown and withheld. Bounded; the oldest rows go."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.choice.growing import GrowingColumns
from services.choice.log import NOBODY, Shown
from shared.checkpoints import Arrays, pack, unpack
from shared.hashing import U64, mix

# Policies that are told apart; whoever names one for each slate has no figure of each.
MOST_POLICIES: Final = 100
OTHER_POLICIES: Final = "other policies"
_SHOWN: Final = {
    "slate": np.uint64,
    "actor": np.uint64,
    "target": np.uint64,
    "creator": np.uint64,
    "time": np.int64,
    "surface": np.int8,
    "arm": np.int8,
    "policy": np.int16,
    "rank": np.int16,
    "propensity": np.float64,
    "candidates": np.int32,
    "withheld": np.bool_,
}


class RetainedSlates:
    """Items shown or withheld, in the order in which they joined the log; `policies`: numbers by name, of those that
    there are items of.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.rows = GrowingColumns(_SHOWN)
        self.policies: dict[str, int] = {}

    def append(self, shown: Shown, policies: tuple[str, ...]) -> None:
        """`policies`: names by this batch's own numbers."""
        numbers = np.array([self._number(name) for name in policies], np.int16)
        columns = {name: getattr(shown, name) for name in _SHOWN}
        policy = numbers[shown.policy] if len(shown) else np.zeros(0, np.int16)
        self.rows.append(**columns | {"slate": shown.slate.view(np.uint64), "policy": policy})
        if self.rows.keep_newest(self.most):
            self._drop_policies()

    def _number(self, policy: str) -> int:
        if policy not in self.policies and len(self.policies) >= MOST_POLICIES:
            policy = OTHER_POLICIES
        return self.policies.setdefault(policy, len(self.policies))

    def _drop_policies(self) -> None:
        """Those of which no item is left."""
        left = np.flatnonzero(np.bincount(self.rows["policy"], minlength=len(self.policies)))
        numbers = np.zeros(len(self.policies), np.int16)
        numbers[left] = np.arange(len(left))
        names = list(self.policies)
        self.policies = {names[old]: new for new, old in enumerate(left.tolist())}
        self.rows["policy"][:] = numbers[self.rows["policy"]]

    def forget(self, actors: U64) -> tuple[int, U64]:
        """Of what these actors were shown nothing stays. Returns how many items there were, and what pairs of actor and
        target were withheld.
        """
        theirs = np.flatnonzero(np.isin(self.rows["actor"], actors))
        kept_back = theirs[self.rows["withheld"][theirs]]
        pairs = mix(self.rows["actor"][kept_back], self.rows["target"][kept_back])
        for name in ("actor", "target", "creator"):
            self.rows[name][theirs] = NOBODY
        return len(theirs), pairs

    def snapshot(self) -> Arrays:
        return {**self.rows.snapshot("shown"), "shown.policies": pack(list(self.policies))}

    def restore(self, arrays: Arrays) -> None:
        self.rows.restore("shown", arrays)
        self.policies = {name: number for number, name in enumerate(unpack(arrays["shown.policies"]))}
