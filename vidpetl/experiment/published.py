"""Files of weights that `vidpetl.convert` writes, and what they say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etils import epath, epy

from vidpetl.parameters import storage, variables
from vidpetl.recipes import presets
from vidpetl.weights import family as family_lib
from vidpetl.weights import importing
from vidpetl.weights.errors import WeightsError

with epy.lazy_imports():  # Files are read without them.
  import jax
  import jax.numpy as jnp

  from vidpetl import backbones
  from vidpetl.petl import bindings

_KEY = 'vidpetl'


def describe(
  name: str, path: str, imported: importing.Imported
) -> dict[str, Any]:
  """Returns what has to be known of imported weights, to use them.

  Args:
    name: of the family.
    path: of the published file.
    imported: what was read of it.

  Returns:
    'family', 'file', 'backbone' (`config.backbone`), 'petl' (entries of
    `config.petl` that it has parameters of), 'fresh' (how names begin that it
    has nothing for), 'grid' and 'window' (of its tables, (t, h, w)),
    'inflate', 'positions' (how tables of positions are resized), 'mean' and
    'std' (of pixels in [0, 1]), 'probes' (task -> `config.tasks.<task>.probe`
    that its head needs), 'note', 'labels' (task -> what the outputs of
    its head mean, as json has it).

  Raises:
    WeightsError: if the arrays are not those of the backbone that they are
      said to be for.
  """
  layout, family = imported.layout, family_lib.load(name)
  model = bindings.bind(backbones.build(layout.backbone), layout.petl)
  video = jax.ShapeDtypeStruct((1, *layout.video, 3), jnp.float32)
  features, shapes = jax.eval_shape(
    lambda: model.init_with_output(
      jax.random.key(0), jnp.zeros(video.shape), train=False
    )
  )
  # What --allow let be missing has to be named again where a model starts.
  absent = [r.ours for r in imported.report.rows if r.status == 'new']
  fresh = [*layout.fresh, *', '.join(absent).split(', ')]
  fresh = importing.full_names(dict.fromkeys(filter(None, fresh)), '')
  _check(path, imported.arrays, shapes, tuple(fresh))
  mean, std = imported.pixels
  return {
    'family': name,
    'file': path,
    'backbone': dict(layout.backbone),
    'petl': [dict(entry) for entry in layout.petl],
    'fresh': list(importing.full_names(dict.fromkeys(layout.fresh), '')),
    'grid': tables_grid(model.backbone, features.grid.shape[1:4]),
    'window': getattr(model.backbone, 'window', ()),
    'inflate': family.inflate,
    'positions': family.positions,
    'probes': {
      task: dict(imported.probe)
      for task in heads(imported.arrays)
      if imported.probe
    },
    'mean': mean,
    'std': std,
    'note': '\n'.join(filter(None, [family.note, *imported.notes])),
    'labels': {
      task: {str(index): label for index, label in imported.labels.items()}
      for task in heads(imported.arrays)
      if imported.labels
    },
  }


def tables_grid(backbone: Any, grid: Sequence[int]) -> tuple[int, ...]:
  """Returns the grid that a backbone's tables of positions are for.

  Args:
    backbone: below its techniques.
    grid: (t, h, w) of its features, which stages may have divided by
      `backbone.shrinks`.
  """
  times = getattr(backbone, 'shrinks', (1, 1, 1))
  return tuple(size * by for size, by in zip(grid, times))


# Fields of a published backbone that say what no array of it shows, and those
# that have to be the arrays' own.
_SAID = (
  *('width', 'depth', 'mlp', 'heads', 'activation', 'epsilon'),
  *('alpha', 'dilated'),
)


def preset_settings(name: str) -> dict[str, Any]:
  """Returns what a preset says of a file of its backbone; see `settings`.

  Args:
    name: of the preset.

  Raises:
    ValueError: if there is none.
  """
  model = backbones.build(presets.find(name, '--preset').fields)
  return {f: getattr(model, f) for f in _SAID if hasattr(model, f)}


def _tokens(fields: Mapping[str, Any]) -> int:
  """Returns the width of a ViT's tokens, 0 of other networks."""
  return fields['width'] if isinstance(fields.get('heads'), int) else 0


def presets_for(width: int, family: str) -> list[str]:
  """Returns the presets of backbones whose tokens are so wide.

  Args:
    width: of a token.
    family: whose presets are enough, where it has any.
  """
  wide = {
    name: preset.family
    for name, preset in presets.all_presets().items()
    if _tokens(preset_settings(name)) == width > 0
  }
  same = [name for name, of in wide.items() if of == family]
  return same or list(wide)


def heads(arrays: Iterable[str]) -> list[str]:
  """Returns the tasks whose heads are among arrays, by their names."""
  tops = (name.partition('/')[0] for name in arrays)
  found = dict.fromkeys(top for top in tops if top.startswith('heads_'))
  return [top.removeprefix('heads_') for top in found]


def _check(path, arrays, shapes, fresh) -> None:
  """Holds imported arrays against the backbone itself."""
  params = {'backbone': shapes['params']}
  statistics = {'backbone': shapes.get(variables.STATISTICS, {})}
  wanted = {
    name: leaf.shape
    for name, leaf in variables.flatten(
      variables.make(params, statistics if statistics['backbone'] else {})
    ).items()
    if not name.startswith(fresh)
  }
  beside = ('heads_', f'{variables.STATISTICS}/heads_', *fresh)
  found = {
    name: array.shape
    for name, array in arrays.items()
    if not name.startswith(beside)
  }
  if found == wanted:
    return
  differs = [
    f'{name} {found.get(name, "missing")} for {wanted.get(name, "none")}'
    for name in sorted(set(found) | set(wanted))
    if found.get(name) != wanted.get(name)
  ]
  raise WeightsError(
    f'{path} is not the backbone that its names say: {"; ".join(differs[:6])}'
    + (f' and {len(differs) - 6} more' if len(differs) > 6 else '')
  )


def to_metadata(described: Mapping[str, Any]) -> dict[str, str]:
  """Returns the metadata of a safetensors file."""
  return {_KEY: json.dumps(described)}


def read_metadata(path: str) -> dict[str, Any]:
  """Returns what `describe` said of a converted file, {} of any other."""
  if not (path.endswith(storage.SUFFIX) and epath.Path(path).exists()):
    return {}
  return json.loads(storage.read_metadata(path).get(_KEY, '{}'))
