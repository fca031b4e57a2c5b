"""What everybody would like to write."""

from tags import PriceTag, ShelfLabel

print(PriceTag("Tea", 450).text())
print(ShelfLabel("Tea", "B3").text())
