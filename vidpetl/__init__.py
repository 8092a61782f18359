"""Adapting large video models with few trained parameters and little data."""

__version__ = '0.1.0'
