"""Sell two things."""

import basket

customer = basket.Basket()
customer.add(4950)
customer.add(175)
print("To pay:", customer.total())
