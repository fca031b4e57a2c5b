"""Greet whoever comes in, and say where the settings are from."""

import sys

import settings

print(settings.GREETING)
print("settings come from", settings.__file__)
print("Python looked first in", repr(sys.path[0]))
