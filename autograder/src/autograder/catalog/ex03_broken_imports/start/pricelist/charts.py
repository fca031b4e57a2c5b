"""Draw prices as bars of text. Found on the internet, with all that its author needed."""

import asyncio
import logging.config
import sqlite3
import statistics

SETTINGS = {"version": 1, "disable_existing_loggers": False}
WIDTH = 20


def bars(prices: dict[str, int]) -> str:
    """Give a line for each price, the dearest with the longest bar."""
    logging.config.dictConfig(SETTINGS)
    dearest = max(prices.values())
    return "\n".join(f"{name:<8}{'#' * (WIDTH * cents // dearest)}" for name, cents in prices.items())


def typical(prices: dict[str, int]) -> float:
    """Give the price in the middle."""
    return statistics.median(prices.values())


async def watch(file: str) -> None:
    """Draw again whenever the price list changes."""
    while True:
        with sqlite3.connect(file) as prices:
            print(bars(dict(prices.execute("SELECT name, cents FROM prices"))))
        await asyncio.sleep(60)
