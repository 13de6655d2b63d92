"""Choice bits: how the surprise of a like is parted among what everybody likes, one's own past, and what was shown.

With p the probability of the liked item given that this person likes something now, each at least 2^-16,

    log2(1 / p_popular) = H + E + R
    H = log2(p_history / p_popular)    what one's own past foretold
    E = log2(p_shown / p_history)      what was put before one
    R = log2(1 / p_shown)              what neither foretold

p_shown is a mixture of forecasts (`mixture`): of what was shown within the attribution window, and of history. Its rho
and theta are parameters of a forecast, and no effects.
"""

from __future__ import annotations

import numpy as np

from services.choice import named_slates
from services.choice.log import Bits, Likes, Log, Shown
from services.choice.mixture import LEAST_PROBABILITY, Forecasts, Mixture
from services.choice.named_slates import CameFrom


def of_log(log: Log) -> Bits:
    """As they were found when the likes came, or else now."""
    return log.bits if log.bits is not None else of(log.likes, log.shown)


def of(likes: Likes, shown: Shown) -> Bits:
    """Of the likes of a whole log that have forecasts, in order of time."""
    return following(Mixture(), likes, shown, named_slates.of(likes, shown))


def following(mixture: Mixture, likes: Likes, shown: Shown, came_from: CameFrom) -> Bits:
    """Of the next likes of a log that have forecasts, and the slates of up to the last of them; what is learnt goes
    into the mixture. What a like came from is known with the like only: it is in no forecast.
    """
    at = np.flatnonzero(np.isfinite(likes.p_history))
    mine = likes.take(at)
    forecasts = Forecasts.of(mine)
    p_history, p_popular = forecasts.p_history, forecasts.p_popular
    believed = mixture.forecast(mine, forecasts, shown)
    by_past, by_popularity = forecasts, forecasts._replace(p_history=p_popular)
    p_shown, other = (np.maximum(believed.p_shown(by), LEAST_PROBABILITY) for by in (by_past, by_popularity))
    named = came_from.take(at)
    return Bits(
        at,
        -np.log2(p_popular),
        np.log2(p_history / p_popular),
        np.log2(p_shown / p_history),
        -np.log2(p_shown),
        np.log2(other / p_popular),
        believed.rho > 0,
        np.where(named.known, named.showed, believed.p_slate > 0),
    )
