"""Counting on the shelves."""

import unittest

from counting.shelf import visible


class ShelfTest(unittest.TestCase):
    def test_front_row_only(self):
        self.assertEqual(visible([(3, 9), (2, 9)]), 5)
