# Wheelhouse: everything one does here.  Plain `make` prints the menu; GNU make 3.81 (macOS) is enough.
#
# Nothing needs to be installed first: each command makes or mends the environment it needs (autograder/bootstrap.py).
# PYTHON=…    the Python to use (default: the first of python3, python3.14 … python3.11 that is new enough)
# WHEELHOUSE_VENV=…   where the environment is made (default: .venv)
# LAB_ARGS=…, TEST_ARGS=…, BOOK_ARGS=…, LOCK_ARGS=…   go to the command behind the target, as in `make lab LAB_ARGS=--no-browser`

PYTHON ?=
WHEELHOUSE_VENV ?= .venv
LAB_ARGS ?=
TEST_ARGS ?=
LOCK_ARGS ?=
BOOK_ARGS ?=
export PYTHON WHEELHOUSE_VENV
export WHEELHOUSE_MAKEFILE := $(MAKEFILE_LIST)

# To the folder of this file, from wherever make was called and whatever characters the path has.
HERE = cd "$$(dirname "$${WHEELHOUSE_MAKEFILE\# }")"

# Find a Python that is new enough, or say in one sentence that there is none.
FIND_PYTHON = \
	if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi; \
	for python; do "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	if [ -z "$$python" ]; then \
		found=$$("$$1" --version 2>/dev/null) || found="no $$1"; \
		echo "Wheelhouse needs Python 3.11 or newer (here: $$found);" \
			"install one, or say where it is: make PYTHON=/path/to/python3.12 …" >&2; exit 1; \
	fi

# The environment, complete; then its commands come first on PATH.
ENVIRONMENT = $(HERE) && { $(FIND_PYTHON); "$$python" autograder/bootstrap.py --folder "$$WHEELHOUSE_VENV"
READY = } && VIRTUAL_ENV=$$(cd "$$WHEELHOUSE_VENV" && pwd) && PATH="$$VIRTUAL_ENV/bin:$$PATH" && export PATH VIRTUAL_ENV && unset PYTHONHOME PYTHONPATH

.PHONY: menu lab test check build book lock clean

menu:
	@echo 'Wheelhouse: learn Python packaging by doing it.'
	@echo
	@$(HERE) && awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

lab: ## open the course in JupyterLab
	@$(ENVIRONMENT) lab; $(READY) && exec python -m autograder.jupyter.launch $(LAB_ARGS)

test: ## prove that everything works: style, types, and every test (about half an hour on two cores)
	@$(ENVIRONMENT) test; $(READY) && exec sh .ci/test $(TEST_ARGS)

check: ## what to run before each commit: style, types, built files up to date (about a minute)
	@$(ENVIRONMENT) test; $(READY) && exec sh .ci/check

build: ## write notebooks, exercises and solutions from their sources
	@$(ENVIRONMENT) lab; $(READY) && exec course build

book: ## build the course as a web book in site/ (the first time it runs every lesson)
	@$(ENVIRONMENT) test; $(READY) && cd autograder && exec python -m book ../site $(BOOK_ARGS)

lock: ## choose and pin the versions of everything that gets installed
	@$(ENVIRONMENT) lab; $(READY) && exec sh .ci/lock $(LOCK_ARGS)

clean: ## remove what make made; never what learners did (labs/)
	@$(HERE) && rm -rf .venv .venv.discarded-* .venv.lock .cache autograder/dist site && \
		find . -path ./labs -prune -o -name .git -prune -o \
			\( -name __pycache__ -o -name .pytest_cache -o -name .ruff_cache -o -name .mypy_cache -o -name .ipynb_checkpoints \) \
			-prune -exec rm -rf {} +
