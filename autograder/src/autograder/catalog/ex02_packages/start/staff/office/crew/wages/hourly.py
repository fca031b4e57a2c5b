"""Euros an hour. For the office only."""

HOURLY = {"Ada": 18.5, "Grace": 19.0}
