"""
An emulator of the PROTOCOL of Volcengine Ark and Alibaba DashScope embeddings. It is not a model.

Names are imported lazily, because the pytest plugin loads this package in every run of pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volc_dashscope import _lazy

if TYPE_CHECKING:
    from volc_dashscope.emulator.emulator import Emulator
    from volc_dashscope.emulator.exchange import Request, Response
    from volc_dashscope.emulator.faults import Fault, Faults
    from volc_dashscope.emulator.ledger import Entry, Ledger

__all__ = ["Emulator", "Entry", "Fault", "Faults", "Ledger", "Request", "Response"]

_NAMES = {
    "emulator": ("Emulator",),
    "exchange": ("Request", "Response"),
    "faults": ("Fault", "Faults"),
    "ledger": ("Entry", "Ledger"),
}


def __getattr__(name: str) -> object:
    return _lazy.load(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return _lazy.listed(__name__, _NAMES)
