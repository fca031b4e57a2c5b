"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from autograder import Mistake
from autograder.catalog.ex02_packages import checks

__all__ = ["MISTAKES"]

_FETCHED = """
printf '\\nfrom .price import PriceTag\\nfrom .shelf import ShelfLabel\\n' >> labels/tags/__init__.py
"""
_LISTED = """
printf '__all__ = ["PriceTag", "ShelfLabel"]\\n' >> labels/tags/__init__.py
"""
_STARTED = """
sed -i 's|receipts/cli.py|-m receipts.cli|' till/run.sh
"""

MISTAKES = [
    # ---- Task 1
    Mistake(
        "listed the names, and never fetched the classes",
        task=1,
        commands=_LISTED,
        caught_by=checks.classes_come_from_the_package,
        says=r"no `PriceTag` and `ShelfLabel`.*only listed",
    ),
    Mistake(
        "imported the neighbours as if they were on the path",
        task=1,
        commands="""
        printf '\\nfrom price import PriceTag\\nfrom shelf import ShelfLabel\\n' >> labels/tags/__init__.py
        """
        + _LISTED,
        caught_by=checks.classes_come_from_the_package,
        says=r"module `price`.*inside the package",
    ),
    Mistake(
        "copied the classes into __init__.py",
        task=1,
        commands="cat labels/tags/price.py labels/tags/shelf.py >> labels/tags/__init__.py" + _LISTED,
        caught_by=checks.classes_come_from_the_package,
        says=r"two classes of the same name",
    ),
    Mistake(
        "moved the classes into __init__.py",
        task=1,
        commands="""
        cat labels/tags/price.py labels/tags/shelf.py >> labels/tags/__init__.py
        rm labels/tags/price.py labels/tags/shelf.py
        """
        + _LISTED,
        caught_by=checks.classes_come_from_the_package,
        says=r"`tags\.price` is gone",
    ),
    Mistake(
        "fetched the classes, and left the star import to itself",
        task=1,
        commands=_FETCHED,
        caught_by=checks.star_gives_exactly_two,
        says=r"also gives `PAPER`, `os`, `price` and `shelf`",
    ),
    Mistake(
        "fetched everything by a star",
        task=1,
        commands="printf '\\nfrom .price import *\\nfrom .shelf import *\\n' >> labels/tags/__init__.py",
        caught_by=checks.star_gives_exactly_two,
        says=r"`dataclass`",
    ),
    Mistake(
        "mistyped a name in __all__",
        task=1,
        commands=_FETCHED + """printf '__all__ = ["PriceTag", "Shelflabel"]\\n' >> labels/tags/__init__.py""",
        caught_by=checks.star_gives_exactly_two,
        says=r"`__all__` names `Shelflabel`",
    ),
    Mistake(
        "put the classes themselves into __all__",
        task=1,
        commands=_FETCHED + "printf '__all__ = [PriceTag, ShelfLabel]\\n' >> labels/tags/__init__.py",
        caught_by=checks.star_gives_exactly_two,
        says=r"objects",
    ),
    Mistake(
        "wrote one text where a list was due",
        task=1,
        commands=_FETCHED + """printf '__all__ = "PriceTag, ShelfLabel"\\n' >> labels/tags/__init__.py""",
        caught_by=checks.star_gives_exactly_two,
        says=r"one text",
    ),
    Mistake(
        "took the helpers out of the way",
        task=1,
        commands=_FETCHED + _LISTED + "printf 'del os, PAPER, _cents\\n' >> labels/tags/__init__.py",
        caught_by=checks.helpers_stay_within_reach,
        says=r"`tags\.PAPER` and `tags\._cents`",
    ),
    Mistake(
        "hid a helper behind an underscore, instead of listing what is offered",
        task=1,
        commands=_FETCHED + _LISTED + "sed -i 's/^PAPER/_PAPER/' labels/tags/__init__.py",
        caught_by=checks.helpers_stay_within_reach,
        says=r"`tags\.PAPER`",
    ),
    # ---- Task 2
    Mistake(
        "started the module from inside its own package",
        task=2,
        commands="sed -i 's|^exec python3 receipts/cli.py|cd receipts; exec python3 -m cli|' till/run.sh",
        caught_by=checks.receipt_is_written,
        says=r"exit status 1.*without a package",
    ),
    Mistake(
        "gave -m a file's name",
        task=2,
        commands="sed -i 's|receipts/cli.py|-m receipts.cli.py|' till/run.sh",
        caught_by=checks.receipt_is_written,
        says=r"exit status 1.*name of a module",
    ),
    Mistake(
        "imported the program and never ran it",
        task=2,
        commands="""sed -i "s|receipts/cli.py|-c 'import receipts.cli'|" till/run.sh""",
        caught_by=checks.receipt_is_written,
        says=r"writes no receipt",
    ),
    Mistake(
        "wrote the receipt by hand",
        task=2,
        commands="""sed -i 's|^exec .*|printf "To pay: 16.90\\\\n" > receipt.txt|' till/run.sh""",
        caught_by=checks.receipt_is_written,
        says=r"doesn't fit",
    ),
    Mistake(
        "took the dot away, and helped the rest along with PYTHONPATH",
        task=2,
        commands="""
        sed -i 's/from \\.core/from core/' till/receipts/cli.py
        sed -i 's/^exec/PYTHONPATH=. exec/' till/run.sh
        """,
        caught_by=checks.core_is_part_of_its_package,
        says=r"loaded as `core`",
    ),
    Mistake(
        "wrote the import out in full and put the folder on the path",
        task=2,
        commands="""
        sed -i 's/from \\.core/from receipts.core/' till/receipts/cli.py
        sed -i 's/^exec/PYTHONPATH=. exec/' till/run.sh
        """,
        caught_by=checks.core_is_part_of_its_package,
        says=r"`from receipts\.core import receipt`",
    ),
    Mistake(
        "told the file by hand to which package it belongs",
        task=2,
        commands="""
        sed -i 's/^import sys$/import sys; sys.path.insert(0, "."); __package__ = "receipts"/' till/receipts/cli.py
        """,
        caught_by=checks.core_is_part_of_its_package,
        says=r"was changed",
    ),
    # ---- Task 3
    Mistake(
        "gave the other half an __init__.py, too",
        task=3,
        commands="touch staff/shopfloor/crew/__init__.py",
        caught_by=checks.no_half_claims_to_be_all,
        says=r"office/crew` and `staff/shopfloor/crew`.*hides",
    ),
    Mistake(
        "moved the __init__.py to the other half",
        task=3,
        commands="mv staff/office/crew/__init__.py staff/shopfloor/crew/",
        caught_by=checks.no_half_claims_to_be_all,
        says=r"`staff/shopfloor/crew`",
    ),
    Mistake(
        "joined the halves the old way, by pkgutil",
        task=3,
        commands="""
        line='__path__ = __import__("pkgutil").extend_path(__path__, __name__)'
        echo "$line" > staff/office/crew/__init__.py
        echo "$line" > staff/shopfloor/crew/__init__.py
        """,
        caught_by=checks.no_half_claims_to_be_all,
        says=r"extend_path",
    ),
    Mistake(
        "threw away every __init__.py there was",
        task=3,
        commands="find staff -name __init__.py -delete",
        caught_by=checks.both_halves_are_found,
        says=r"`crew\.wages\.pay` is gone",
    ),
    Mistake(
        "put both halves into one folder",
        task=3,
        commands="""
        rm staff/office/crew/__init__.py
        mv staff/shopfloor/crew/rota.py staff/office/crew/
        rmdir staff/shopfloor/crew
        """,
        caught_by=checks.both_halves_are_found,
        says=r"`crew\.rota` comes from the other half",
    ),
    Mistake(
        "joined them, and misspelt a folder on the way",
        task=3,
        commands="""
        rm staff/office/crew/__init__.py
        mv staff/shopfloor/crew staff/shopfloor/crews
        """,
        caught_by=checks.both_halves_are_found,
        says=r"`crew\.rota` can't be imported.*`office/crew`",
    ),
    # ---- Task 4
    Mistake(
        "made a package of the top folder only",
        task=4,
        commands="touch stock/tests/__init__.py",
        caught_by=checks.unittest_finds_them,
        says=r"finds 1 of 3",
    ),
    Mistake(
        "made packages of the inner folders only, which is enough for pytest",
        task=4,
        commands="touch stock/tests/{shelf,storeroom}/__init__.py; printf '[pytest]\\npythonpath = .\\n' > stock/pytest.ini",
        caught_by=checks.unittest_finds_them,
        says=r"finds 0 of 3",
    ),
    Mistake(
        "asked pytest to import in another way, and forgot unittest",
        task=4,
        commands="printf '[pytest]\\naddopts = --import-mode=importlib\\npythonpath = .\\n' > stock/pytest.ini",
        caught_by=checks.unittest_finds_them,
        says=r"finds 0 of 3",
    ),
    Mistake(
        "put an __init__.py into every folder there is",
        task=4,
        commands="touch stock/__init__.py stock/tests/__init__.py stock/tests/{shelf,storeroom}/__init__.py",
        caught_by=checks.pytest_finds_them,
        says=r"finds 0 of 3.*import `counting`",
    ),
    Mistake(
        "gave the files different names",
        task=4,
        commands="""
        touch stock/tests/__init__.py stock/tests/{shelf,storeroom}/__init__.py
        mv stock/tests/storeroom/test_count.py stock/tests/storeroom/test_storeroom.py
        """,
        caught_by=checks.tests_kept_their_places,
        says=r"`stock/tests/storeroom/test_count\.py` is gone",
    ),
    Mistake(
        "moved all tests to where they are found",
        task=4,
        commands="""
        mv stock/tests/test_arrivals.py stock/
        mv stock/tests/shelf/test_count.py stock/test_shelf.py
        mv stock/tests/storeroom/test_count.py stock/test_storeroom.py
        """,
        caught_by=checks.tests_kept_their_places,
        says=r"is gone",
    ),
]
