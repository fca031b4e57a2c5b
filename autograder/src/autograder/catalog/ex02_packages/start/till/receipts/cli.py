"""Write a receipt for a basket: both are named on the command line."""

import sys

from .core import receipt


def main():
    basket, target = sys.argv[1:]
    with open(basket) as lines, open(target, "w") as paper:
        for line in receipt(lines):
            print(line, file=paper)


if __name__ == "__main__":
    main()
