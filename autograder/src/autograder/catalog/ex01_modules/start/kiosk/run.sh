#!/bin/bash
# Each morning this starts the kiosk.
cd "$(dirname "$0")"
python3 tools/greet.py
