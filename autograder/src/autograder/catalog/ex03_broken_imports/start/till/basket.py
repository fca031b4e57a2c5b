"""What a customer has in the basket, and what there is to pay; prices are in cents."""

from discounts import discount

SMALLEST_COIN = 5


def rounded(cents: float) -> int:
    """Round to what can be paid in coins."""
    return SMALLEST_COIN * round(cents / SMALLEST_COIN)


class Basket:
    """One customer's goods."""

    def __init__(self) -> None:
        self.prices: list[int] = []

    def add(self, cents: int) -> None:
        self.prices.append(cents)

    def total(self) -> int:
        whole = sum(self.prices)
        return rounded(whole - discount(whole))
