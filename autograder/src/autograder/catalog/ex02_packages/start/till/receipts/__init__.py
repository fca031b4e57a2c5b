"""Baskets in, receipts out."""
