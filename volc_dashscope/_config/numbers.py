"""Whether numbers among the settings bound anything."""

from __future__ import annotations

from collections.abc import Mapping

from volc_dashscope.errors import ConfigError


def check_patience(
    counts: Mapping[str, object], seconds: Mapping[str, object], rates: Mapping[str, object] | None = None
) -> None:
    """
    Refuse numbers that bound nothing.

    Args:
        counts: Settings that must be whole numbers from 1 (`max_retries` from 0), by name.
        seconds: Settings that must be positive seconds, by name.
        rates: Settings that must be positive numbers a minute, or None, by name.
    """
    for name, number in (rates or {}).items():
        if number is not None and not _positive(number):
            raise ConfigError(f"{name} must be a positive number or None, got {number!r}")
    for name, number in counts.items():
        least = 0 if name == "max_retries" else 1
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ConfigError(f"{name} must be a whole number from {least}, got {number!r}")
    for name, number in seconds.items():
        if not _positive(number):
            raise ConfigError(f"{name} must be positive seconds, got {number!r}")


def _positive(number: object) -> bool:
    # The comparison is also False for NaN.
    return isinstance(number, int | float) and not isinstance(number, bool) and number > 0
