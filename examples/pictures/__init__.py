"""Small drawings for the examples: our own, a few shapes each, so that no picture has to be shipped."""
