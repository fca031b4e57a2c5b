#!/bin/bash
# Starts the kiosk. Works from any folder.
cd "$(dirname "$0")" || exit
exec ../shared/bin/python kiosk.py
