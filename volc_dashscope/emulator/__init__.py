"""
An emulator of the PROTOCOL of Volcengine Ark and Alibaba DashScope embeddings. It is not a model.

A name loads its module when it is first used: the pytest plugin is imported in every run of pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volc_dashscope.emulator.emulator import Emulator
    from volc_dashscope.emulator.exchange import Request, Response
    from volc_dashscope.emulator.faults import Fault, Faults
    from volc_dashscope.emulator.ledger import Entry, Ledger

__all__ = ["Emulator", "Entry", "Fault", "Faults", "Ledger", "Request", "Response"]

_MODULE_OF = {
    "Emulator": "emulator",
    "Entry": "ledger",
    "Fault": "faults",
    "Faults": "faults",
    "Ledger": "ledger",
    "Request": "exchange",
    "Response": "exchange",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
