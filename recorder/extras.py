"""Libraries that not every installation has: found when they are needed, named when they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from recorder.errors import ConfigurationError


def need(module: str, extra: str) -> Any:
    """Return the module; without it a ConfigurationError says which of recorder's extras brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{module} is not installed ({error}); pip install 'recorder[{extra}]'") from None
