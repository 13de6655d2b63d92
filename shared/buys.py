"""For whom somebody acted: an agent may buy for a person, whose buy it is then."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from shared.events import BUY


def bought_by(likes: pa.RecordBatch) -> pa.Array:
    """The principal of a buy that names one, else the actor: ids, shape (n,). Likes of any schema that has both."""
    principals, actors = likes.column("principal_id"), likes.column("actor_id")
    if principals.null_count == len(principals):
        return actors
    named = pc.and_(pc.equal(likes.column("action"), BUY), pc.is_valid(principals))
    return pc.if_else(named, principals, actors)
