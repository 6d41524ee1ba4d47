"""The version of the product, as pyproject.toml has it: the code also runs where that file is not."""

VERSION = "0.2.0"
