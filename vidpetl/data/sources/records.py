"""Prepared records as a source: see `vidpetl.data.records.records`."""

from vidpetl.data.records.records import open

__all__ = ['open']
