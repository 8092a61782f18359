"""What no array of a file shows, and who says it.

Two models may have the same arrays and be different functions: the number of
heads, an activation, an epsilon, what a classifier reads. Such a setting is
told, by a user (`convert --set`, `--preset`), by a config.json beside the file,
or by the config of the run that starts from it; or it is what the family's own
code fixes, and the report says so; or the file is refused until it is told.
It is never inferred from a width.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl.weights.errors import UnsaidError, WeightsError

# What may be told besides the fields of the backbone that a file is for.
BESIDES = ('grid', 'mean', 'std', 'probe_heads', 'probe_layers')

ASK = object()  # In place of a value that has to be told.


@dataclasses.dataclass(frozen=True)
class Unshown:
  """A field of the backbone that no array shows.

  Attributes:
    field: its name.
    values: value -> the models that have it. Others may be told, too.
    taken: the value of a file where nothing is told, which is that of the
      family's own code; or `ASK`.
    with_head: the same where the classifier comes along, if that differs.
    where: fields with which it matters; with others there is no such field.
  """

  field: str
  values: Mapping[Any, str]
  taken: Any
  with_head: Any = None
  where: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def default(self, head: bool) -> Any:
    return self.taken if self.with_head is None or not head else self.with_head

  def asked(self) -> str:
    """Returns the flags of which one answers."""
    flags = [
      f'--set {self.field}={_typed(k)} ({of})' for k, of in self.values.items()
    ]
    return ' or '.join(flags) or f'--set {self.field}=…'


def parse(texts: Sequence[str]) -> dict[str, Any]:
  """Returns settings from the command line's 'name=value'.

  A value is a number, a tuple of numbers ('2,16,16') or else a text.

  Raises:
    WeightsError: for a text without a name or a value.
  """
  found = {}
  for text in texts:
    name, _, value = text.partition('=')
    if not name or not value:
      raise WeightsError(f'--set is name=value, such as heads=12, not {text!r}')
    try:
      found[name] = ast.literal_eval(value)
    except (SyntaxError, ValueError):
      found[name] = value
  return found


def settle(
  unshown: Sequence[Unshown],
  shown: Mapping[str, Any],
  told: Mapping[str, Any],
  head: bool,
) -> tuple[dict[str, Any], list[str]]:
  """Returns a backbone's fields, and a note for each that is not sure.

  Args:
    unshown: of the family.
    shown: `config.backbone` as arrays and their names show it.
    told: settings; see the module.
    head: whether the classifier comes along.

  Raises:
    WeightsError: if something told contradicts the arrays, or is missing.
  """
  told = {k: v for k, v in told.items() if k not in BESIDES}
  fields, notes = dict(shown), []
  open_fields = {each.field for each in unshown}
  for name, value in told.items():
    if (
      name in shown
      and name not in open_fields
      and not _same(shown[name], value)
    ):
      raise WeightsError(
        f'{name}={value!r} was said, and the arrays are of a model with '
        f'{name}={shown[name]!r}'
      )
  for each in unshown:
    if each.field in told or each.field in shown:
      continue
    if any(shown.get(k) != v for k, v in each.where.items()):
      continue
    value = each.default(head)
    if value is ASK:
      raise UnsaidError(
        f'no array shows {each.field}: {_others(each.values)}. '
        f'--set {each.field}=… says it',
        shown.get('width', 0),
      )
    fields[each.field] = value
    others = {k: v for k, v in each.values.items() if k != value}
    of = f' ({each.values[value]})' if value in each.values else ''
    notes.append(
      f'no array shows {each.field}: {value!r}{of} is taken'
      + (f'; {_others(others)}' if others else '')
      + f'. --set {each.field}=… says otherwise'
    )
  return {**fields, **told}, notes


def _typed(value: Any) -> str:
  """Returns a value as `parse` reads it, without a shell's own signs."""
  return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _same(shown: Any, value: Any) -> bool:
  plain = lambda x: tuple(x) if isinstance(x, (list, tuple)) else x
  return plain(shown) == plain(value)


def _others(values: Mapping[Any, str]) -> str:
  return ', '.join(f'{value!r} is {of}' for value, of in values.items())
