"""Loads a package's public names at their first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from importlib import import_module


def load(package: str, names: Mapping[str, Collection[str]], name: str) -> object:
    """
    Import an attribute of a package for its `__getattr__`, and set it there, so that this happens once per name.

    Args:
        package: `__name__` of the package.
        names: The public names of each of its modules. A public module is an attribute too, so that
            `volc_dashscope.errors` needs no import of its own.
        name: The attribute.
    """
    if name in names and not name.startswith("_"):
        return import_module(f"{package}.{name}")
    for module, group in names.items():
        if name in group:
            value: object = getattr(import_module(f"{package}.{module}"), name)
            setattr(sys.modules[package], name, value)
            return value
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


def listed(package: str, names: Mapping[str, Collection[str]]) -> list[str]:
    """Return the names that `dir()` of a package shows, loaded or not."""
    modules = {name for name in names if not name.startswith("_")}
    return sorted({*vars(sys.modules[package]), *modules}.union(*names.values()))
