"""The key that the tests hand out, and look for where it must not be."""

from __future__ import annotations

KEY = "sk-canary-0123456789abcdef"
