"""Profiles: one frozen dataclass per lab says how large a run is, and every value a person types is checked here.

Budgets are counted in epochs and steps, never in seconds, so that a profile gives the same numbers on a slow
machine. Nothing here imports torch: the report checks its arguments with this module before anything starts.
"""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # where data is looked for and downloaded to unless DATA_DIR says otherwise
CACHE = DATA / "cache"  # what is computed once and can be computed again: prepared images, judges

PROFILES = ("smoke", "quick", "full")


class LabError(Exception):
    """Something a person can put right: one line that says what is wrong, where, and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in Jupyter, which asks an exception for this method first."""
        return [f"{type(self).__name__}: {self}"]
