"""Count what is on the shelves, and write its price tags."""

import leftpad
import pricetag

for name, count, cents in (("Tea", 12, 320), ("Sugar", 40, 175), ("Teapot", 3, 2400)):
    print(leftpad.pad(count, 4), f"{name:<8}", pricetag.tag(cents))
