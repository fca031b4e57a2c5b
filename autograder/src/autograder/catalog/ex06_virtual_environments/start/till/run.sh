#!/bin/bash
# Starts the till. Works from any folder.
cd "$(dirname "$0")" || exit
exec ../shared/bin/python till.py
