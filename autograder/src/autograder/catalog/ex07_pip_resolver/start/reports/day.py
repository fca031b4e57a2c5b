"""The day's figures, for the accountant and for us."""

import legacytool
import moderntool
import shoplib

PRICES = {"tea": 450, "apples": 320, "pears": 175}

print("for the accountant:", legacytool.report(list(PRICES.values())))

basket = shoplib.Basket()
for name, price in PRICES.items():
    basket.add(name, price)
print("for us:            ", moderntool.report(basket))
