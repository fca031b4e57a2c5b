#!/bin/bash
# Adds up basket.txt and writes receipt.txt. Works from any folder.
cd "$(dirname "$0")" || exit
exec python3 receipts/cli.py basket.txt receipt.txt
