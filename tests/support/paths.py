"""Folders that tests need."""

from pathlib import Path

#: The checkout.
ROOT = Path(__file__).parents[2]
