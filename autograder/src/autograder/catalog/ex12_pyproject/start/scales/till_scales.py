"""Reads the scales at the till."""


def weight(answer):
    """Give the weight in grams from what the scales answer: `+  1.250 kg`."""
    number, _, unit = answer.strip("+ ").partition(" ")
    return round(float(number) * {"kg": 1000, "g": 1}[unit])


def main():
    """Weigh once."""
    print(weight("+  1.250 kg"), "g")
