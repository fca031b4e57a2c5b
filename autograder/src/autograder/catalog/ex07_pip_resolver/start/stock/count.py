"""What the shelves are worth."""

import legacytool
import shoplib

print("shoplib", shoplib.__version__)
print(legacytool.report([450, 320, 175]))
