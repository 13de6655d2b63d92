from __future__ import annotations

from services.detector.warm_up import CREW, TARGETS, warm_up
from shared.messages import Campaign


def test_the_warm_up_goes_all_the_way_to_a_campaign() -> None:
    said = warm_up()[-1]
    campaign = Campaign.model_validate_json(said.value)
    assert (campaign.actor_count, campaign.target_count) == (CREW, TARGETS)
