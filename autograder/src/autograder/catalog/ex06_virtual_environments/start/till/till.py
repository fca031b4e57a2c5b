"""Add up what is on the counter; prices are in cents."""

import sys

import shoplib

print("To pay:", shoplib.total([320, 175, 2400]))
print("shoplib", shoplib.__version__, "in", sys.prefix)
