"""Proofs that the course runs elsewhere than on its developers' machine; each does what a person would do there."""
