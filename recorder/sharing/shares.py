"""How many streams each recorder should hold. Pure: the same counts give every recorder the same answer."""

from __future__ import annotations

from collections.abc import Mapping


def fair_shares(held: Mapping[str, int], free: int) -> dict[str, int]:
    """Return how many each recorder should hold: all the same, or one more.

    ``held`` counts what each live recorder holds now, ``free`` what nobody holds. The one more goes to those that hold
    most, then by name, so that a recorder gives away only when another has at least two fewer: nothing is passed to
    and fro.
    """
    least, more = divmod(sum(held.values()) + free, len(held))
    ordered = sorted(held, key=lambda name: (-held[name], name))
    return {name: least + (place < more) for place, name in enumerate(ordered)}
