"""Crowds of people that look like bots and are none, one module each. A new one is a module and a line here."""

from __future__ import annotations

from typing import Final

from truelike.evaluation.columns import DAY, HOUR, MINUTE
from truelike.evaluation.crowds import (
    album,
    class_list,
    couples,
    digest,
    fan_club,
    flash_crowd,
    friends_chat,
    importers,
    like_keys,
    office,
    offline_sync,
    onboarding,
    outage,
    premiere,
    raid,
    retries,
)
from truelike.evaluation.crowds.coarse_times import cut_to
from truelike.evaluation.crowds.crowd import Crowd

# A machine's timing or a shared sofa is worth a look, no more: any share of those may be suspect.
ANY: Final = 1.0
FEW: Final = 0.1

CROWDS: Final[dict[str, Crowd]] = {
    "flash_crowd": Crowd(flash_crowd.lay, FEW),
    "raid": Crowd(raid.lay, FEW),
    "premiere": Crowd(premiere.lay, FEW),
    "fan_club": Crowd(fan_club.lay, FEW),
    "album": Crowd(album.lay, FEW),
    "offline_sync": Crowd(offline_sync.lay, ANY),
    "importers": Crowd(importers.lay, ANY),
    "onboarding": Crowd(onboarding.lay, FEW),
    "like_keys": Crowd(like_keys.lay, FEW),
    "couples": Crowd(couples.lay, ANY),
    "friends_chat": Crowd(friends_chat.lay, ANY),
    "class_list": Crowd(class_list.lay, None),
    "digest": Crowd(digest.lay, FEW),
    "office": Crowd(office.lay, FEW),
    "retries": Crowd(retries.lay, FEW, replaces=True),
    "outage": Crowd(outage.lay, FEW, replaces=True),
    "cut_to_minute": Crowd(cut_to(MINUTE), FEW, replaces=True),
    "cut_to_hour": Crowd(cut_to(HOUR), FEW, replaces=True),
    "cut_to_day": Crowd(cut_to(DAY), FEW, replaces=True),
}
