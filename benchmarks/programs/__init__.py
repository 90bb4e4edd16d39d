"""Programs that measure one thing in a process of its own; `benchmarks.waits` runs them against two checkouts."""
