"""The shop window: what a visitor's basket costs."""

import shopfront

basket = shopfront.ring_up(["tea=320", "sugar=175", "teapot=2400"])
print(f"{len(basket.lines)} things in your basket: {basket.total() / 100:.2f}")
