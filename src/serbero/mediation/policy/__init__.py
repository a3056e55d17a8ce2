"""The leash: what a model proposes becomes one of three decisions, and no words pass unscreened.

Pure: values in, values out. ``decision`` decides, ``release`` lets words through or stops them,
``screening`` finds what must not be said, ``vocabulary`` holds the word lists it looks for.
"""
