#!/bin/bash
# Starts the till.
cd "$(dirname "$0")"
python3 till.py
