"""What was judged in each window, in Redis: the latest windows, each by partition. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from shared import redis_keys
from shared.idempotent_redis import Command

# A day of windows of five minutes.
MOST_WINDOWS: Final = 288
KEPT_SECONDS: Final = 30 * 86400

PROCEDURES: Final = f"""
procedures['window.keep'] = function(start, partition, summary)
  local windows, prefix = '{redis_keys.WINDOWS}', string.sub('{redis_keys.window(0)}', 1, -2)
  redis.call('HSET', prefix .. start, partition, summary)
  redis.call('EXPIRE', prefix .. start, {KEPT_SECONDS})
  redis.call('ZADD', windows, start, start)
  redis.call('EXPIRE', windows, {KEPT_SECONDS})
  for _, old in ipairs(redis.call('ZRANGE', windows, 0, -{MOST_WINDOWS + 1})) do
    redis.call('DEL', prefix .. old)
    redis.call('ZREM', windows, old)
  end
end
"""


def of_summary(value: bytes) -> list[Command]:
    """Of a message of `window-summaries.v1`: it replaces what its partition said of the window before."""
    summary = msgspec.json.decode(value)
    return [("window.keep", summary["window_start"], summary["partition"], value)]
