"""Amounts that can be paid in coins, where the smallest coin is 5 cents."""


def rounded(cents):
    """Give the nearest amount that can be paid: 102 is 100, and 103 is 105."""
    return cents // 5 * 5
