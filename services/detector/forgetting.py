"""A request to forget users on its way through the stages.

It comes in `frames.by-actor`, in the partition of each user, and goes on behind everything that was sent of the user
before: from there to all targets' partitions, from those to all verdicts', from there to the campaigns. So whatever
still travelled when it was asked for is forgotten too.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.forgetting import of_frame
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64, hash_strings


def users(frame: Frame) -> U64:
    """Hashes of the users of a frame of kind `forget`. Shape (n,)."""
    return hash_strings(frame.batch.column("user_id"))


def pass_on(frame: Frame, stage: str, partition: int, offset: int, to: Iterable[tuple[str, int]]) -> list[Output]:
    """The request as messages for the (topic, partition)s `to`, from a partition of a stage."""
    assert of_frame(frame).user_ids
    # It says nothing of event time.
    lineage = Lineage(f"{stage}-forget", partition, offset, -1)
    passed = Frame(frame.kind, frame.batch, lineage)
    return [output for topic, p in to for output in to_outputs(passed, topic, p)]
