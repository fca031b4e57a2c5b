# What files alone can't hold: bytecode of the till's prices as they were, and times.
cd till
python3 - <<'END'
import os
from pathlib import Path

prices = Path("prices.py")
today, monday = prices.read_text(), 1_772_442_000  # 2 March 2026, 09:00 UTC


def write(text):
    """Put a text into the file as our deployment does: every file gets the same date."""
    prices.write_text(text)
    os.utime(prices, (monday, monday))


write(today.replace("3.80", "3.20"))
__import__("prices")
write(today)
END
