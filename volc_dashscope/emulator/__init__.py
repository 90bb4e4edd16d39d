"""An emulator of the PROTOCOL of Volcengine Ark and Alibaba DashScope embeddings. It is not a model."""

from __future__ import annotations

from volc_dashscope.emulator.emulator import Emulator
from volc_dashscope.emulator.exchange import Request, Response
from volc_dashscope.emulator.faults import Fault, Faults
from volc_dashscope.emulator.ledger import Entry, Ledger

__all__ = ["Emulator", "Entry", "Fault", "Faults", "Ledger", "Request", "Response"]
