"""Look up a price. Started at the till for each customer who asks, so it should start at once."""

import sys
import xmlrpc.client

import charts

PRICES = {"Tea": 320, "Sugar": 175, "Teapot": 2400}


def price(goods: str) -> int:
    """What everybody wants to know."""
    return PRICES[goods]


def chart() -> str:
    """For the meeting on the first of the month."""
    return charts.bars(PRICES)


def order(goods: str) -> str:
    """For the supplier, whose machine is from 1999 and wants XML."""
    return xmlrpc.client.dumps((goods, price(goods)), "order")


if __name__ == "__main__":
    print(price(sys.argv[1] if len(sys.argv) > 1 else "Tea"))
