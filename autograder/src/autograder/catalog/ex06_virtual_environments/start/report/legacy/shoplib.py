"""shoplib as it was two summers ago, copied here "just until Monday"."""

__version__ = "2.0b1"


class Basket:
    """Things to buy, with their prices in cents."""

    def __init__(self):
        self.lines = []

    def add(self, name, price, quantity=1):
        self.lines.append((name, price, quantity))

    def total(self):
        return sum(price // 100 * 100 * quantity for _, price, quantity in self.lines)
