"""Who pays less, and by how much."""

from basket import rounded

LARGE = 5000
PERCENT = 3


def discount(cents: int) -> int:
    """Give what is taken off a large basket, in coins."""
    return rounded(cents * PERCENT / 100) if cents >= LARGE else 0
