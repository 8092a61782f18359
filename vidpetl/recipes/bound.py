"""A technique at a site, with the options that a method gives or hands on.

The options and their defaults are the fields of the technique, a file of
`vidpetl.petl.techniques`, which is loaded when it is asked for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vidpetl import options as options_lib
from vidpetl import parts
from vidpetl.petl import techniques

Entry = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Bound:
  """A technique at a site, as a method has it.

  Attributes:
    site: where.
    technique: a file of `vidpetl.petl.techniques`.
    fixed: options without which it would not be this method.
    defaults: the paper's, where they differ from the technique's.
    names: option -> what the method calls it.
    prefix: of the names of all others.
    without: an option that leaves the technique out, where it is 0.
  """

  site: str
  technique: str
  fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  names: Mapping[str, str] = dataclasses.field(default_factory=dict)
  prefix: str = ''
  without: str = ''

  def options(self) -> dict[str, Any]:
    """Returns what of it the method has as options, with their defaults."""
    return {
      self._name(field): default
      for field, default in self._fields().items()
      if field not in self.fixed
    }

  def entry(self, chosen: Mapping[str, Any]) -> Entry:
    """Returns the entry of `config.petl`, with every option.

    Args:
      chosen: options of the method, where they are not the default.
    """
    fields = {
      field: chosen.get(self._name(field), default)
      for field, default in self._fields().items()
    }
    return {
      'site': self.site,
      'technique': self.technique,
      **fields,
      **self.fixed,
    }

  def is_wanted(self, chosen: Mapping[str, Any]) -> bool:
    return not self.without or bool(self.entry(chosen)[self.without])

  def _fields(self) -> dict[str, Any]:
    part = parts.load(techniques, self.technique, 'build', 'technique')
    fields = options_lib.fields(part.build)
    return {k: v for k, v in {**fields, **self.defaults}.items() if k != 'name'}

  def _name(self, field: str) -> str:
    return self.names.get(field, self.prefix + field)


def per(text: str, option: str, kind: type) -> tuple[str, dict[str, Any]]:
  """Returns (regex, option and its value) of 'regex:value'."""
  pattern, _, value = text.rpartition(':')
  try:
    return pattern, {option: kind(value)}
  except ValueError:
    raise ValueError(
      f'method lora: {option}s has {text!r}, which is no regex:number'
    ) from None
