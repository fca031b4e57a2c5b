"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

import sys

from autograder import Mistake
from autograder.catalog.ex03_broken_imports import checks

__all__ = ["MISTAKES"]

# The half of a task that is right, so that a mistake stands alone.
_MONEY = """
cd till
printf 'SMALLEST_COIN = 5\\n\\n\\ndef rounded(cents):\\n    return SMALLEST_COIN * round(cents / SMALLEST_COIN)\\n' > money.py
sed -i '/^SMALLEST_COIN/,/^    return SMALLEST_COIN/d' basket.py
sed -i 's/^from discounts import discount$/&\\nfrom money import rounded/' basket.py
sed -i 's/^from basket import/from money import/' discounts.py
"""
_CHECKING = """
cd delivery
sed -i 's/^from customer import Customer$/from typing import TYPE_CHECKING\\n\\nif TYPE_CHECKING:\\n    from customer import Customer/' order.py
"""
_CHARTS_LATER = """
cd pricelist
sed -i '/^import charts$/d; s/^    return charts/    import charts\\n&/' tool.py
"""
_ORDERS_LATER = """
cd pricelist
sed -i '/^import xmlrpc.client$/d; s/^    return xmlrpc/    import xmlrpc.client\\n&/' tool.py
"""

MISTAKES = [
    # ---- Task 1
    Mistake(
        "moved one import to the bottom of its file, which helps whoever comes in by that door",
        task=1,
        commands="""
        sed -i '/^from discounts/d' till/basket.py
        echo 'from discounts import discount' >> till/basket.py
        """,
        caught_by=checks.whichever_comes_first,
        says=r"`import basket` works, but `import discounts` in a fresh Python still ends with `ImportError`",
    ),
    Mistake(
        "imported the module instead of the name, on one side only",
        task=1,
        commands="""
        sed -i 's/^from basket import rounded/import basket/; s/return rounded/return basket.rounded/' till/discounts.py
        """,
        caught_by=checks.whichever_comes_first,
        says=r"`import basket` works, but `import discounts`",
    ),
    Mistake(
        "moved the function and forgot the number that it needs",
        task=1,
        commands=_MONEY + "sed -i '/^SMALLEST_COIN/d' money.py; sed -i '3i SMALLEST_COIN = 5' basket.py",
        caught_by=checks.whichever_comes_first,
        says=r"adding up a basket .* ends with `NameError`",
    ),
    Mistake(
        "imported the modules instead of the names, on both sides",
        task=1,
        commands="""
        sed -i 's/^from basket import rounded/import basket/; s/return rounded/return basket.rounded/' till/discounts.py
        sed -i 's/^from discounts import discount/import discounts/; s/whole - discount(/whole - discounts.discount(/' till/basket.py
        """,
        caught_by=checks.no_circle,
        says=r"`basket` → `discounts` → `basket`",
    ),
    Mistake(
        "made the third module, and left the old import standing",
        task=1,
        commands=_MONEY
        + """
        sed -i 's/^from money import rounded/import basket\\n&/' discounts.py
        sed -i 's/^from discounts import discount/import discounts/; s/whole - discount(/whole - discounts.discount(/' basket.py
        """,
        caught_by=checks.no_circle,
        says=r"line 3 of `till/discounts\.py`",
    ),
    Mistake(
        "hid one import in the function that needs it",
        task=1,
        commands="""
        sed -i '/^from basket import rounded/d; s/^    return rounded/    from basket import rounded\\n&/' till/discounts.py
        """,
        caught_by=checks.imports_stand_at_the_top,
        says=r"imports `basket` inside a function.*module of its own",
    ),
    Mistake(
        "made the third module, and imports it inside the functions, to be on the safe side",
        task=1,
        commands=_MONEY
        + """
        sed -i '/^from money/d; s/^        return rounded/        from money import rounded\\n&/' basket.py
        sed -i '/^from money/d; s/^    return rounded/    from money import rounded\\n&/' discounts.py
        """,
        caught_by=checks.imports_stand_at_the_top,
        says=r"`till/basket\.py` imports `money` inside a function.*nothing is in its way",
    ),
    Mistake(
        "spelt the import in another way",
        task=1,
        commands="""
        sed -i 's/^from basket import rounded/import importlib/' till/discounts.py
        sed -i 's/return rounded/return importlib.import_module("basket").rounded/' till/discounts.py
        """,
        caught_by=checks.imports_stand_at_the_top,
        says=r"`import_module`",
    ),
    Mistake(
        "moved the rounding over to the discounts",
        task=1,
        commands="""
        cd till
        sed -n '/^SMALLEST_COIN/,/^    return SMALLEST_COIN/p' basket.py >> discounts.py
        sed -i '/^from basket/d' discounts.py
        sed -i '/^SMALLEST_COIN/,/^    return SMALLEST_COIN/d; s/import discount$/import discount, rounded/' basket.py
        """,
        caught_by=checks.rounding_has_its_own_module,
        says=r"`till/discounts\.py`.*all of `discounts`",
    ),
    Mistake(
        "put everything back into one file, and left a door in the other",
        task=1,
        commands="""
        cd till
        sed -i '/^from discounts/d' basket.py
        sed '/^from/d; 1d' discounts.py >> basket.py
        echo 'from basket import discount' > discounts.py
        """,
        caught_by=checks.rounding_has_its_own_module,
        says=r"`till/basket\.py`",
    ),
    # ---- Task 2
    Mistake(
        "moved the import to the bottom of the file and postponed the hints",
        task=2,
        commands="""
        cd delivery
        sed -i 's/^from customer import Customer$/from __future__ import annotations/' order.py
        echo 'from customer import Customer' >> order.py
        """,
        caught_by=checks.delivery_works,
        says=r"`import order` works, but `import customer` .*still ends with `ImportError`",
    ),
    Mistake(
        "used TYPE_CHECKING without importing it",
        task=2,
        commands=_CHECKING + "sed -i '/^from typing/d; s/: Customer)/: \"Customer\")/' order.py",
        caught_by=checks.delivery_works,
        says=r"`import order` ends with `NameError`",
    ),
    Mistake(
        "put it under TYPE_CHECKING, and the function now needs it at run time, too",
        task=2,
        commands=_CHECKING
        + """
        sed -i 's/: Customer)/: "Customer")/' order.py
        sed -i 's/^        return f/        assert isinstance(customer, Customer)\\n&/' order.py
        """,
        caught_by=checks.delivery_works,
        says=r"making a label ends with `NameError`",
    ),
    Mistake(
        "deleted the hint together with the import",
        task=2,
        commands="sed -i '/^from customer/d; s/customer: Customer/customer/' delivery/order.py",
        caught_by=checks.hint_is_kept,
        says=r"The hint is gone: `customer` has no hint now",
    ),
    Mistake(
        "made the hint say nothing",
        task=2,
        commands=_CHECKING + "sed -i 's/customer: Customer/customer: object/' order.py",
        caught_by=checks.hint_is_kept,
        says=r"`object`",
    ),
    Mistake(
        "put the hint in quotes and deleted the import",
        task=2,
        commands="sed -i '/^from customer/d; s/: Customer)/: \"Customer\")/' delivery/order.py",
        caught_by=checks.checkers_can_find_it,
        says=r"nothing in the file imports it",
    ),
    Mistake(
        "put the hint in quotes and the import into the function",
        task=2,
        commands="""
        cd delivery
        sed -i '/^from customer/d; s/: Customer)/: "Customer")/' order.py
        sed -i 's/^        return f/        from customer import Customer\\n&/' order.py
        """,
        caught_by=checks.checkers_can_find_it,
        says=r"inside a function",
    ),
    Mistake(
        "imported the whole module at the bottom of the file, which this circle survives",
        task=2,
        commands="""
        cd delivery
        sed -i '/^from customer/d; s/: Customer)/: "customer.Customer")/' order.py
        echo 'import customer' >> order.py
        """,
        caught_by=checks.order_stands_alone,
        says=r"`customer` is loaded, too",
    ),
    # ---- Task 3
    Mistake(
        "blamed stale bytecode",
        task=3,
        commands="""
        python3 prizes/draw.py
        rm -rf prizes/__pycache__
        """,
        caught_by=checks.nothing_hides_the_library,
        says=r"The culprit is `prizes/random\.py`",
    ),
    Mistake(
        "took a path out of the way instead of the file",
        task=3,
        commands="""
        sed -i 's/^import random$/import sys\\nhere = sys.path.pop(0)\\nimport random/' prizes/draw.py
        sed -i "s/random.prize_for(ticket)/'a teapot'/" prizes/draw.py
        """,
        caught_by=checks.nothing_hides_the_library,
        says=r"`prizes/random\.py`",
    ),
    Mistake(
        "gave it another name that is taken",
        task=3,
        commands="""
        cd prizes
        mv random.py secrets.py
        sed -i 's/^import random$/&\\nimport secrets/; s/random.prize_for/secrets.prize_for/' draw.py
        """,
        caught_by=checks.nothing_hides_the_library,
        says=r"`prizes/secrets\.py`",
    ),
    Mistake(
        "deleted the file",
        task=3,
        commands="""
        rm prizes/random.py
        sed -i "s/random.prize_for(ticket)/'a teapot'/" prizes/draw.py
        """,
        caught_by=checks.prizes_survive,
        says=r"No file .* defines `prize_for`",
    ),
    Mistake(
        "moved all of it into the program",
        task=3,
        commands="""
        cd prizes
        (cat random.py; sed 's/random.prize_for/prize_for/' draw.py) > both.py
        mv both.py draw.py
        rm random.py
        """,
        caught_by=checks.prizes_survive,
        says=r"has moved into `draw\.py`",
    ),
    Mistake(
        "renamed the file, and told nobody",
        task=3,
        commands="mv prizes/random.py prizes/prizes.py",
        caught_by=checks.winner_is_drawn,
        says=r"ends with `AttributeError`",
    ),
    Mistake(
        "renamed the file, and kept calling it random",
        task=3,
        commands="""
        cd prizes
        mv random.py prizes.py
        sed -i 's/^import random/import prizes as random/' draw.py
        """,
        caught_by=checks.winner_is_drawn,
        says=r"ends with `AttributeError`",
    ),
    Mistake(
        "renamed the file, and spared the draw the line that failed",
        task=3,
        commands="""
        cd prizes
        mv random.py prizes.py
        sed -i 's/^import random/import prizes/; s/random.prize_for/prizes.prize_for/; s/random.randint(1, 500)/4/' draw.py
        """,
        caught_by=checks.winner_is_drawn,
        says=r"nothing is drawn",
    ),
    # ---- Task 4
    Mistake(
        "moved the heavy imports lower, below the fast function",
        task=4,
        commands="""
        cd pricelist
        sed -i '/^import charts$/d; /^import xmlrpc.client$/d' tool.py
        sed -i 's/^def chart/import charts\\n\\n\\n&/; s/^def order/import xmlrpc.client\\n\\n\\n&/' tool.py
        """,
        caught_by=checks.charts_wait,
        says=r"Line \d+ of `pricelist/tool\.py` imports `charts`.*executed at import time",
    ),
    Mistake(
        "put the import below try",
        task=4,
        commands=_ORDERS_LATER
        + "sed -i 's/^import charts$/try:\\n    import charts\\nexcept ImportError:\\n    charts = None/' tool.py",
        caught_by=checks.charts_wait,
        says=r"executed at import time",
    ),
    Mistake(
        "deferred the import, and drew a chart at once to have it ready",
        task=4,
        commands=_CHARTS_LATER + _ORDERS_LATER.replace("cd pricelist", "") + "echo 'READY = chart()' >> tool.py",
        caught_by=checks.charts_wait,
        says=r"has been run already",
    ),
    Mistake(
        "made the charts lighter, and still runs them for everybody",
        task=4,
        commands=_ORDERS_LATER
        + """
        sed -i '/^import/d; s/^    logging.config.dict/    import logging.config\\n&/' charts.py
        """,
        caught_by=checks.charts_wait,
        says=r"imports `charts`",
    ),
    Mistake(
        "deferred the charts and forgot the XML",
        task=4,
        commands=_CHARTS_LATER,
        caught_by=checks.it_starts_light,
        says=r"50 modules or more.*`xmlrpc\.client`",
    ),
    Mistake(
        "deleted the imports, and the chart with them",
        task=4,
        commands=_ORDERS_LATER + "sed -i '/^import charts$/d' tool.py",
        caught_by=checks.all_of_it_works,
        says=r"`tool\.chart\(\)` ends with `NameError`",
    ),
    Mistake(
        "hid the import from the running program",
        task=4,
        commands=_ORDERS_LATER
        + "sed -i 's/^import charts$/from typing import TYPE_CHECKING\\nif TYPE_CHECKING:\\n    import charts/' tool.py",
        caught_by=checks.all_of_it_works,
        says=r"`tool\.chart\(\)` ends with `NameError`",
    ),
    Mistake(
        "copied what they needed of the charts",
        task=4,
        commands=_ORDERS_LATER
        + """
        sed -i '/^import charts$/d; s/charts\\.bars/bars/' tool.py
        sed -n '/^WIDTH/p; /^def bars/,/^    return/p' charts.py | sed '/logging/d' > bars.txt
        sed -i '/^PRICES/r bars.txt' tool.py
        """,
        caught_by=checks.all_of_it_works,
        says=r"not by `charts`",
    ),
]

if sys.version_info < (3, 14):  # since then hints wait until somebody asks for them, and this is a right answer
    MISTAKES.append(
        Mistake(
            "put the import under TYPE_CHECKING, and left the hint to be evaluated",
            task=2,
            commands=_CHECKING,
            caught_by=checks.delivery_works,
            says=r"`import order` .*ends with `NameError`: a name is used",
        )
    )
