"""Long audio in, a log out: the `audiolog` commands and the parts they are made of."""

__version__ = "0.1.0"
