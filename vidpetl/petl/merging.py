"""Linear techniques, put into the backbone's own layers.

A technique that is linear needs no module of its own in the end: some kernel
and bias beside its site compute the same. Which layers these are, the site says
(`site.Site.behind` and `before`); what becomes of them, the technique does, by
its `merge` (see `vidpetl.petl.techniques`). Nothing here knows one by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from vidpetl import parts
from vidpetl.backbones import site as site_lib
from vidpetl.petl import linear
from vidpetl.petl import techniques as techniques_lib


@dataclasses.dataclass(frozen=True)
class Bound:
  """A technique in a model.

  Attributes:
    scope: of the technique, 'backbone/…/site_attn_qkv/LoRA'.
    technique: the module, unbound.
    behind: scopes of the layers whose output its site has.
    before: of those that read its site.
  """

  scope: str
  technique: nn.Module
  behind: tuple[str, ...]
  before: tuple[str, ...]


def check(names: Iterable[str]) -> None:
  """Raises ValueError if there is a technique that cannot be merged.

  Args:
    names: of techniques.
  """
  is_able = lambda name: hasattr(build(name), 'merge')
  if others := [n for n in names if not (is_able(n) or stays(build(n)))]:
    able = filter(is_able, parts.names(techniques_lib, 'build'))
    raise ValueError(
      f'{", ".join(others)} cannot be merged: no weight of the backbone does '
      f'the same; {", ".join(able)} can be'
    )


def stays(technique: Any) -> bool:
  """Whether a technique, or its class, is left as it is by merging."""
  return getattr(technique, 'stays', False)


def left(petl: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
  """Returns the entries of `config.petl` that are left of it by merging."""
  return [entry for entry in petl if stays(build(entry['technique']))]


def build(name: str) -> type[nn.Module]:
  """Returns the class of a technique."""
  return parts.load(techniques_lib, name, 'build', 'technique').build


def bound(trace: Callable[[], Any]) -> list[Bound]:
  """Returns what acts in a model, in order.

  Args:
    trace: calls the model; `jax.eval_shape` will do.
  """
  found: dict[str, Bound] = {}

  def observe(call, args, kwargs, context):
    module, here = context.module, context.module.parent
    if isinstance(here, site_lib.Site) and context.method_name == '__call__':
      scope, beside = '/'.join(module.path), '/'.join(here.path[:-1])
      layers = (
        tuple(f'{beside}/{name}'.removesuffix('/') for name in names)
        for names in (here.behind, here.before)
      )
      technique = module.clone(parent=None, name=None)
      found.setdefault(scope, Bound(scope, technique, *layers))
    return call(*args, **kwargs)

  with nn.intercept_methods(observe):
    trace()
  return list(found.values())


def merge(
  params: Mapping[str, Any], techniques: Iterable[Bound]
) -> dict[str, Any]:
  """Returns the parameters of the backbone that computes the same.

  Of techniques, those are left that stay.

  Args:
    params: of the model, by path.
    techniques: of the model, in the order in which they act.

  Raises:
    ValueError: if there is no layer beside a site, or none that could take
      what was learned.
  """
  gone = [t for t in techniques if not stays(t.technique)]
  scopes = tuple(f'{t.scope}/' for t in gone)
  merged = {
    k: jnp.asarray(v) for k, v in params.items() if not k.startswith(scopes)
  }
  sides = _sides(gone, merged)
  # W (x A) B is W A B: of what comes before a layer the last goes in first,
  # and what is behind it goes in before that, since it reads what is edited.
  behind = [t for t, is_behind in sides if is_behind]
  before = [t for t, is_behind in reversed(sides) if not is_behind]
  for each in behind:
    for scope in each.behind:
      several = f'{scope.split("/")[-1]}_' if len(each.behind) > 1 else ''
      if learned := _below(params, f'{each.scope}/{several}'):
        merged |= _merged(merged, each, scope, learned, True)
  for each in before:
    for scope in each.before:
      learned = _below(params, f'{each.scope}/')
      merged |= _merged(merged, each, scope, learned, False)
  return merged


def _sides(
  techniques: Iterable[Bound], params: Mapping[str, Any]
) -> list[tuple[Bound, bool]]:
  """Returns each with whether it goes into the layer behind which it is.

  What mixes channels does not go into a LayerNorm, but into the layers that
  read the site; and so does what acts after it there.

  Raises:
    ValueError: if there is no such layer.
  """
  sides, taken = [], set()
  for each in techniques:
    site = each.scope.rpartition('/')[0]
    mixes = getattr(each.technique, 'mixes', False)
    norm = any(f'{s}/kernel' not in params for s in each.behind)
    if not each.behind or (mixes and norm):
      taken.add(site)
    if site in taken and not each.before:
      raise ValueError(
        f'{each.scope} cannot be merged: no layer of the backbone is next to '
        'this site'
      )
    sides.append((each, site not in taken))
  return sides


def _merged(
  params: Mapping[str, Any],
  bound: Bound,
  scope: str,
  learned: Mapping[str, Any],
  behind: bool,
) -> dict[str, Any]:
  """Returns what of the parameters is a layer's, with a technique in it."""
  layer = _read(params, scope, behind)
  return _written(params, bound.technique.merge(learned, layer))


def _below(params: Mapping[str, Any], prefix: str) -> dict[str, Any]:
  return {
    path.removeprefix(prefix): jnp.asarray(value)
    for path, value in params.items()
    if path.startswith(prefix)
  }


def _read(params: Mapping[str, Any], scope: str, behind: bool) -> linear.Layer:
  kernel = params[_kernel(params, scope)]
  is_key = scope.rpartition('/')[2] == 'key'
  shifts = not is_key or f'{scope}_norm/scale' in params
  bias = params.get(f'{scope}/bias')
  return linear.Layer(scope, kernel, bias, behind, shifts)


def _written(params: Mapping[str, Any], layer: linear.Layer) -> dict[str, Any]:
  """Returns what of the parameters is the layer's, in their dtypes."""
  new = {_kernel(params, layer.name): layer.kernel}
  if layer.bias is not None:
    new[f'{layer.name}/bias'] = layer.bias
  return {path: x.astype(params[path].dtype) for path, x in new.items()}


def _kernel(params: Mapping[str, Any], scope: str) -> str:
  """Returns the name of what multiplies, a LayerNorm's gains included."""
  path = f'{scope}/kernel'
  return path if path in params else f'{scope}/scale'
