"""What submissions try: attacks as data, each a real submission for the real pipeline, judged from outside.

::

    classroom    a course with a gradebook, honest learners, and things worth stealing or breaking
    attack       what an attack is, and what its author may use
    notebooks    N: the 34 that were tried on stock nbgrader, and an honest answer that stock punishes
    snapshots    S: forged snapshots and what they claim
    gates        G: what lies in a submitted folder
    programs     P: what the programs do that checks run
    pages        F: what comes back to learners and instructors
    table        the table in docs/grading.md, from a run; `python -m attacks.table --help`
"""
