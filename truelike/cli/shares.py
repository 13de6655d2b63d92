"""Options that are lists of shares."""

from __future__ import annotations

from truelike.files.content import WrongUse


def shares_of(option: str, said: str | None) -> tuple[float, ...]:
    """Numbers of [0, 1) with commas between. Raises WrongUse."""
    try:
        shares = tuple(float(share) for share in (said or "").split(",") if share.strip())
    except ValueError as error:
        raise WrongUse(f"{option}: {error}; give shares with commas between, such as .1,.2,.3") from None
    if not all(0 <= share < 1 for share in shares):
        raise WrongUse(f"{option} {said}: a share is at least 0 and below 1")
    return shares
