"""What the customer sees, and the day's line in the ledger."""

import day_ledger
import legacytool
import till_flexi

PRICES = [450, 320, 175]

print(till_flexi.display(PRICES))
print(day_ledger.line("Monday", PRICES))
print(legacytool.report(PRICES))
