"""From the entries of `config.petl` to techniques bound to a backbone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flax.linen as nn

from vidpetl import options as options_lib
from vidpetl import parts, ranges
from vidpetl.petl import adapted, techniques

# What else than a technique's options an entry may have, beside its site.
PLACES = {
  'where': ranges.Pattern,
  'per': Sequence[tuple[ranges.Pattern, Mapping[str, Any]]],
}


def bind(
  backbone: nn.Module,
  entries: Iterable[Mapping[str, Any]],
  blocks: Sequence[int] = (),
) -> Any:
  """Returns the backbone with all entries bound.

  Args:
    backbone: any module that has sites.
    entries: of `config.petl`. `site` and `technique` (a module of
      `vidpetl.petl.techniques`) say what goes where; `where` is a regex that
      the path of the site's module must contain; `per`, pairs of a regex and
      options for the paths that contain it; all else are the technique's
      options.
    blocks: that heads read, see `adapted.Adapted`.

  Raises:
    ValueError: naming the entry and the field that it lacks or does not have.
  """
  bindings = tuple(binding(i, entry) for i, entry in enumerate(entries))
  return adapted.Adapted(backbone, bindings, blocks=tuple(blocks))


def binding(number: int, entry: Mapping[str, Any]) -> adapted.At:
  """Returns what entry `number` of `config.petl` binds."""
  options, here = dict(entry), f'config.petl[{number}]'
  where, per = options.pop('where', ''), options.pop('per', ())
  if missing := [k for k in ('site', 'technique') if k not in options]:
    raise ValueError(f'{here} needs {" and ".join(missing)}; it is {entry}.')
  at, name = options.pop('site'), options.pop('technique')
  part = parts.load(techniques, name, 'build', f'{here}.technique')
  technique = options_lib.call(part.build, options, f'{here} ({name})')
  options_lib.hold({'where': where, 'per': per}, PLACES, here)
  for pattern, more in per:
    owner = f'{here}.per[{pattern!r}] ({name})'
    options_lib.call(part.build, {**options, **more}, owner)
  return adapted.At(at, technique, where, tuple((p, dict(o)) for p, o in per))
