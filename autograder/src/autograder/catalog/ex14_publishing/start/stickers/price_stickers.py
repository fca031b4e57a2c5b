"""Texts for the price stickers of a shop."""

import leftpad


def sticker(name, cents):
    """Give the two lines of a sticker, twelve letters wide."""
    price = f"{cents // 100}.{cents % 100:02}"
    return f"{name[:12]}\n{leftpad.pad(price, 12, '.')}"
