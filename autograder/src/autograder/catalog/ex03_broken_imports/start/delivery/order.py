"""One order, and the label on its parcel."""

from customer import Customer


class Order:
    """Something that was bought."""

    def __init__(self, goods: str, cents: int) -> None:
        self.goods = goods
        self.cents = cents

    def label(self, customer: Customer) -> str:
        """Write what goes on the parcel."""
        return f"{self.goods} for {customer.name}, {customer.street}"
