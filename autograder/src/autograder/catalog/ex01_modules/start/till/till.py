"""Tell what a customer has to pay."""

import prices

print("Tea: ", prices.TEA)
print("Cake:", prices.CAKE)
