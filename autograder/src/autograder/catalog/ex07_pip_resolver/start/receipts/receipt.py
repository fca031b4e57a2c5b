"""Print a receipt on the roll."""

from receipt_printer import Roll

roll = Roll(width=24)
for line in ("Tea          4.50", "Apples       3.20", "TOTAL        7.70"):
    print(roll.print(line))
