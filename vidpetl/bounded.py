"""Flags of numbers, held against the range that their hint says.

    bounded.define('window', None, ranges.Positive, 'Seconds at a time.')

absl's own bounds let nan and inf pass.
"""

from __future__ import annotations

import typing
from typing import Any

from absl import flags

from vidpetl import ranges

# A flag belongs to the program that defines it, not to this module.
flags.disclaim_key_flags()


class _Parser(flags.ArgumentParser):
  """Reads a number of a range."""

  def __init__(self, hint: Any):
    self._hint = hint
    self._type = typing.get_args(hint)[0] if ranges.is_annotated(hint) else hint
    self.syntactic_help = ranges.in_words(hint)

  def flag_type(self) -> str:
    return self._type.__name__

  def parse(self, argument: Any) -> Any:
    try:
      value = self._type(argument) if isinstance(argument, str) else argument
    except ValueError:
      value = None
    if not ranges.fits(value, self._hint):
      raise ValueError(f'it must be {ranges.in_words(self._hint)}')
    return value


def define(
  name: str,
  default: float | None,
  hint: Any,
  text: str,
  values: flags.FlagValues = flags.FLAGS,
) -> flags.FlagHolder:
  """Defines a flag of a number.

  Args:
    name: of the flag.
    default: None where it need not be given.
    hint: of `vidpetl.ranges`, or `float` or `int`.
    text: what its help says.
    values: where it is defined.

  Returns:
    The flag.
  """
  serializer = flags.ArgumentSerializer()
  return flags.DEFINE(_Parser(hint), name, default, text, values, serializer)
