"""Add up a basket."""

from receipts.prices import PRICES


def receipt(basket):
    """Give the lines of a receipt for lines such as `tea 2`."""
    total = 0
    for line in basket:
        name, count = line.split()
        cents = PRICES[name] * int(count)
        total += cents
        yield f"{count} x {name}: {cents / 100:.2f}"
    yield f"To pay: {total / 100:.2f}"
