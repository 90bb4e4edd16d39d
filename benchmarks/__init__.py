"""Speed and memory beside the vendors' own clients, as ratios to a hand-rolled floor in the same run."""
