"""The evening report: what was sold today."""

from pathlib import Path

SALES = [320, 175, 990]  # in cents


def total(amounts):
    """Add up amounts in cents."""
    result = 0
    for amount in amounts:
        result += amount
    return result


print("Writing the evening report ...")
text = f"Sold today: {total(SALES)} cents"
Path(__file__).with_name("out.txt").write_text(text + "\n")
print(text)
