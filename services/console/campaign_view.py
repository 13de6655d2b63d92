"""Campaigns in Redis: the latest, in order of time, by kind, by actor and by target. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared import redis_keys
from shared.idempotent_redis import Command

MOST_CAMPAIGNS: Final = 10_000
# After its last like, in event time, and after it was written, by the clock: who stopped saying anything is gone, too.
KEPT_SECONDS: Final = 30 * 86400

# An id holds no NUL (services/console/ids.py, shared/contract/identifiers.py), so it parts a list of keys.
PROCEDURES: Final = f"""
local latest, prefix = '{redis_keys.CAMPAIGNS}', '{redis_keys.campaign("")}'

local function drop(id)
  local indexes = redis.call('HGET', prefix .. id, 'indexes')
  for index in string.gmatch(indexes or '', '[^%z]+') do redis.call('ZREM', index, id) end
  redis.call('ZREM', latest, id)
  redis.call('DEL', prefix .. id)
end

procedures['campaign.drop'] = drop

procedures['campaign.keep'] = function(id, last_at, body, indexes)
  drop(id)
  redis.call('HSET', prefix .. id, 'body', body, 'indexes', indexes)
  redis.call('EXPIRE', prefix .. id, {KEPT_SECONDS})
  for index in string.gmatch(indexes .. '\\0' .. latest, '[^%z]+') do
    redis.call('ZADD', index, last_at, id)
    redis.call('EXPIRE', index, {KEPT_SECONDS})
  end
  local newest = tonumber(redis.call('ZREVRANGE', latest, 0, 0, 'WITHSCORES')[2])
  local old = string.format('(%.0f', newest - {KEPT_SECONDS * 1000})
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', latest, '-inf', old)) do drop(other) end
  for _, other in ipairs(redis.call('ZRANGE', latest, 0, -{MOST_CAMPAIGNS + 1})) do drop(other) end
end
"""


def of_campaign(value: bytes) -> list[Command]:
    """Of a message of `campaigns.v1`. To apply them again, in order, changes nothing."""
    campaign: dict[str, Any] = msgspec.json.decode(value)
    identifier = campaign["campaign_id"]
    if campaign["merged_into"] is not None or campaign["expired"] or campaign.get("withdrawn"):
        return [("campaign.drop", identifier)]
    indexes = [
        redis_keys.campaigns_of_kind(campaign["kind"]),
        *map(redis_keys.campaigns_of_actor, campaign["actors"]),
        *map(redis_keys.campaigns_of_target, campaign["targets"]),
    ]
    return [("campaign.keep", identifier, campaign["last_at"], value, "\0".join(indexes))]


def of_tombstone(key: bytes) -> list[Command]:
    """A compacted topic may have kept nothing else of a campaign that Redis still has."""
    return [("campaign.drop", key)]
