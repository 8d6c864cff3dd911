"""Reports every result of a pytest session to pytest-platform; see `plugin`."""
