"""Write the monthly figures, and say where the libraries came from."""

import leftpad
import shoplib

basket = shoplib.Basket()
basket.add("Tea", 320, quantity=210)
basket.add("Sugar", 175, quantity=95)
basket.add("Teapot", 2400, quantity=4)
print("Turnover in cents:", leftpad.pad(basket.total(), 8))
for module in (leftpad, shoplib):
    print(f"{module.__name__} comes from {module.__file__}")
