"""Sell what stands in today.txt, one thing a line, and count it."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.append(str(here / "warehouse"))  # else it didn't find labels

import labels
from warehouse import sales

for line in (here / "today.txt").read_text().splitlines():
    sales.sell(line)
print("Sold today:", labels.count())
