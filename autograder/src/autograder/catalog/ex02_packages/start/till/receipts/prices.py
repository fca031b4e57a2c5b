"""What things cost, in cents."""

PRICES = {"tea": 450, "mug": 790, "biscuits": 320}
