"""The version, which is part of the user agent."""

from __future__ import annotations

__version__ = "0.1.0"
