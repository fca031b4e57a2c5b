"""The settings of the kiosk at the door."""

GREETING = "Good morning! Tea is on the house today."
