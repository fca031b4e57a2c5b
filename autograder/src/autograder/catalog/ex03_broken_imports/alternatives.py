"""Other right answers: other names, other ways to wait, files written anew by Python instead of edited by sed."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "a module of another name, imported as a whole",
        1,
        cleandoc("""
            cd till
            (echo '# In coins.'; sed -n '/^SMALLEST_COIN/,/^    return/p' basket.py) > coins.py
            sed -i '/^SMALLEST_COIN/,/^    return SMALLEST_COIN/d' basket.py
            sed -i 's/^from discounts import discount$/import coins\\n&/; s/return rounded/return coins.rounded/' basket.py
            sed -i 's/^from basket import rounded$/import coins/; s/return rounded/return coins.rounded/' discounts.py
        """),
    ),
    Alternative(
        "a small package, whose name the basket still passes on, written by Python",
        1,
        cleandoc("""
            python3 - <<'END'
            from pathlib import Path

            till = Path("till")
            basket = till.joinpath("basket.py").read_text()
            start, end = basket.index("SMALLEST_COIN"), basket.index("class Basket")
            till.joinpath("money").mkdir()
            till.joinpath("money/__init__.py").write_text("from .coins import rounded\\n\\n__all__ = ['rounded']\\n")
            till.joinpath("money/coins.py").write_text(basket[start:end])
            till.joinpath("basket.py").write_text("from money import rounded\\n" + basket[:start] + basket[end:])
            discounts = till.joinpath("discounts.py").read_text()
            till.joinpath("discounts.py").write_text(discounts.replace("from basket", "from money.coins"))
            END
        """),
    ),
    # ---- Task 2
    Alternative(
        "the hint in quotes",
        2,
        cleandoc("""
            cd delivery
            cat > top <<'END'
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from customer import Customer
            END
            sed -i -e '/^from customer/{r top' -e 'd}' -e 's/: Customer)/: "Customer")/' order.py
            rm top
        """),
    ),
    Alternative(
        "the whole module for type checkers, under another name for the constant",
        2,
        cleandoc("""
            cd delivery
            sed -i 's/^from customer import Customer$/from __future__ import annotations\\nimport typing as t\\nif t.TYPE_CHECKING:\\n    import customer as people/' order.py
            sed -i 's/customer: Customer/customer: people.Customer | None/' order.py
        """),
    ),
    # ---- Task 3
    Alternative(
        "the one name imported from a file of another name",
        3,
        """
        cd prizes
        cp random.py what_to_win.py && rm -r random.py __pycache__ 2>/dev/null
        sed -i 's/^import random$/from random import randint\\n\\nfrom what_to_win import prize_for/; s/random\\.//g' draw.py
        """,
    ),
    Alternative(
        "a package, in which the name hides nothing, since its full name is another one",
        3,
        """
        cd prizes
        mkdir shop && touch shop/__init__.py && mv random.py shop/random.py
        sed -i 's/^import random$/import random\\n\\nfrom shop.random import prize_for/; s/random.prize_for/prize_for/' draw.py
        """,
    ),
    # ---- Task 4
    Alternative(
        "the module's own __getattr__ (PEP 562), so that the names stay what they are for who imports them",
        4,
        cleandoc("""
            cd pricelist
            cat > monthly.py <<'END'
            import xmlrpc.client

            import charts
            from tool import PRICES, price


            def chart() -> str:
                return charts.bars(PRICES)


            def order(goods: str) -> str:
                return xmlrpc.client.dumps((goods, price(goods)), "order")
            END
            python3 - <<'END'
            from pathlib import Path

            tool = Path("tool.py")
            text = tool.read_text().replace("import xmlrpc.client\\n\\nimport charts\\n", "")
            start, end = text.index("def chart"), text.index("if __name__")
            late = '''def __getattr__(name: str) -> object:
                if name in ("chart", "order"):
                    import monthly

                    return getattr(monthly, name)
                raise AttributeError(name)


            '''
            tool.write_text(text[:start] + late + text[end:])
            END
        """),
    ),
    Alternative(
        "the standard library's LazyLoader",
        4,
        cleandoc("""
            cd pricelist
            python3 - <<'END'
            from pathlib import Path

            late = '''import importlib.util


            def later(name):
                spec = importlib.util.find_spec(name)
                spec.loader = importlib.util.LazyLoader(spec.loader)
                module = importlib.util.module_from_spec(spec)
                sys.modules[name] = module
                spec.loader.exec_module(module)
                return module


            charts = later("charts")
            '''
            tool = Path("tool.py")
            text = tool.read_text().replace("import xmlrpc.client\\n\\nimport charts\\n", late)
            text = text.replace("    return xmlrpc", "    from xmlrpc import client\\n\\n    return client").replace("client.client", "client")
            tool.write_text(text)
            END
        """),
    ),
]
