"""Tags that say what something costs."""

from dataclasses import dataclass

CURRENCY = "EUR"


@dataclass
class PriceTag:
    """A name and a price in cents."""

    name: str
    cents: int

    def text(self):
        return f"{self.name}: {self.cents / 100:.2f} {CURRENCY}"
