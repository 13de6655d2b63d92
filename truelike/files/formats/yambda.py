"""Yambda (flat): uid, item_id, timestamp, is_organic, and event_type where kinds of events are mixed.

Its times are seconds since an undisclosed beginning, rounded to 5 s; here they begin with the year 2024.
"""

from __future__ import annotations

from typing import Final

from truelike.files.formats.format import Format

FORMAT: Final = Format(
    "yambda",
    "Parquet: uid, item_id, timestamp (s, relative), is_organic; event_type like or unlike where there is one",
    """with likes as (select * from file union all by name select null::varchar as event_type where false)
select uid as actor_id, item_id as target_id, 1704067200 + cast("timestamp" as bigint) as occurred_at,
       coalesce(event_type, 'like') as action,
       case cast(is_organic as varchar) when '1' then 'organic' when 'true' then 'organic' else 'recommended' end
       as surface
from likes where coalesce(event_type, 'like') in ('like', 'unlike')""",
)
