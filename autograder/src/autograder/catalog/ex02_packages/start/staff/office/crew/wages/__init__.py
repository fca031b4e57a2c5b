"""What people earn."""

from .hourly import HOURLY


def pay(name, hours):
    """Give the pay for some hours, in euros."""
    return HOURLY[name] * hours
