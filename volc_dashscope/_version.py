"""The version, told to the services as part of the user agent."""

from __future__ import annotations

__version__ = "0.1.0"
