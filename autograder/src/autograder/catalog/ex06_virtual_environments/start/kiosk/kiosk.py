"""Sell without a cashier; prices are in cents."""

import sys

import shoplib

basket = shoplib.Basket()
basket.add("Tea", 320, quantity=2)
basket.add("Sugar", 175)
print("To pay:", basket.total())
print("shoplib", shoplib.__version__, "in", sys.prefix)
