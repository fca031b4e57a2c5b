"""Print a shelf label for every line of goods.txt."""

from pathlib import Path

import leftpad

for line in Path(__file__).with_name("goods.txt").read_text().splitlines():
    name, price = line.split(",")
    print(f"| {name:<8}{leftpad.pad(price, 8, '.')} |")
