"""A customer, and what they have ordered."""

from order import Order


class Customer:
    """Somebody who buys."""

    def __init__(self, name: str, street: str) -> None:
        self.name = name
        self.street = street
        self.orders: list[Order] = []

    def buy(self, goods: str, cents: int) -> Order:
        self.orders.append(Order(goods, cents))
        return self.orders[-1]
