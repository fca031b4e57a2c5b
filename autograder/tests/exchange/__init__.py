"""Attacks on nbgrader's exchange: what learners can put there, collected by the real command on a machine with real users."""
