"""Tags of every kind, for the printer by the storeroom door."""

import os

PAPER = os.environ.get("TAG_PAPER", "A4")


def _cents(amount):
    """Write cents as euros: 450 becomes 4.50."""
    return f"{amount // 100}.{amount % 100:02}"
