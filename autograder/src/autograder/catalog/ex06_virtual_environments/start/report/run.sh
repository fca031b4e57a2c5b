#!/bin/bash
# Writes the monthly figures. Works from any folder.
cd "$(dirname "$0")" || exit
export PYTHONPATH="$PWD/legacy"
exec .venv/bin/python report.py
