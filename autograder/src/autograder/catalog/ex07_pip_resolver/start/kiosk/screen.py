"""What the kiosk shows."""

import kiosk_screen

print(kiosk_screen.box("Welcome"))
