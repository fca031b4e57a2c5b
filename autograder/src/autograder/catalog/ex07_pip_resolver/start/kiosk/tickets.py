"""What the kiosk prints."""

import kiosk_printer

print(kiosk_printer.ticket("1 coffee, to drink here"))
