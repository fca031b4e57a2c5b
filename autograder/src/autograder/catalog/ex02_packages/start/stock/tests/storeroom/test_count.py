"""Counting in the storeroom."""

import unittest

from counting.storeroom import boxes


class StoreroomTest(unittest.TestCase):
    def test_a_started_box_is_a_box(self):
        self.assertEqual(boxes(13, 12), 2)
