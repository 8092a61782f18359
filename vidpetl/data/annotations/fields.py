"""What single fields of a table say: numbers, times, or nothing."""

from __future__ import annotations

import re

# What people write where they know nothing.
_MISSING = frozenset(
  {'', '-', '--', '\u2013', '\u2014', '.', '?', 'n/a', '#n/a', 'na', 'n.a.'}
  | {'nan', 'none', 'null'}
)
_GERMAN = re.compile(r'[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+')
_ENGLISH = re.compile(r'[+-]?\d{1,3}(,\d{3})+\.\d+')
_CLOCK = re.compile(r'(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d*)?)')
_NAN = float('nan')


def is_missing(field: str) -> bool:
  """Returns whether a field says that nothing is known: '', '-', 'n/a'."""
  return field.strip().casefold() in _MISSING


def decimal(field: str) -> float:
  """Returns a number, nan if it is none.

  A comma may be the decimal point: '12,5', '1.234,5', and '1,234.5' too.
  """
  field = field.strip()
  if _GERMAN.fullmatch(field):
    field = field.replace('.', '').replace(',', '.')
  elif _ENGLISH.fullmatch(field):
    field = field.replace(',', '')
  try:
    return float(field)
  except ValueError:
    return _NAN


def seconds(field: str) -> float:
  """Returns a time of seconds, mm:ss or hh:mm:ss, nan if it is none."""
  clock = _CLOCK.fullmatch(field.strip())
  if not clock:
    return decimal(field)
  hours, minutes, rest = int(clock[1] or 0), int(clock[2]), decimal(clock[3])
  if rest >= 60 or (clock[1] and minutes >= 60):
    return _NAN
  return 3600 * hours + 60 * minutes + rest
