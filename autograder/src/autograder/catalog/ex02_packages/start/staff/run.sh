#!/bin/bash
# Prints today's plan. Works from any folder.
cd "$(dirname "$0")" || exit
PYTHONPATH=office:shopfloor exec python3 plan.py
