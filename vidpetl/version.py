"""The version of vidpetl."""

__version__ = '0.1.0'
