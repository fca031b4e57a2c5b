"""What comes in on Mondays."""

import unittest

from counting.storeroom import boxes


class ArrivalTest(unittest.TestCase):
    def test_nothing_needs_no_box(self):
        self.assertEqual(boxes(0, 12), 0)
