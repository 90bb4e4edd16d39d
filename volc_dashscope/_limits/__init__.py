"""Retry, rate limiting and concurrency. Pure: clock and random numbers are arguments."""
