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
from vidpetl.petl import linear, techniques


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
  able = [
    name
    for name in parts.names(techniques, 'build')
    if hasattr(build(name), 'merge')
  ]
  if others := [name for name in names if name not in able]:
    raise ValueError(
      f'{", ".join(others)} cannot be merged: no weight of the backbone does '
      f'the same; {", ".join(able)} can be'
    )


def build(name: str) -> type[nn.Module]:
  """Returns the class of a technique."""
  return parts.load(techniques, name, 'build', 'technique').build


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
        tuple(f'{beside}/{name}' for name in names)
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
  """Returns the parameters of the plain backbone that computes the same.

  Args:
    params: of the model, by path.
    techniques: of the model, in the order in which they act.

  Raises:
    ValueError: if there is no layer beside a site, or none that could take
      what was learned.
  """
  merged = {k: jnp.asarray(v) for k, v in params.items() if not _is_site(k)}
  techniques = list(techniques)
  # W (x A) B is W A B: of what comes before a layer the last goes in first,
  # and what is behind it goes in before that, since it reads what is edited.
  behind = [t for t in techniques if t.behind]
  before = [t for t in reversed(techniques) if not t.behind]
  for each in (*behind, *before):
    if not (scopes := each.behind or each.before):
      raise ValueError(
        f'{each.scope} cannot be merged: no layer of the backbone is next to '
        'this site'
      )
    for scope in scopes:
      several = f'{scope.split("/")[-1]}_' if len(scopes) > 1 else ''
      if learned := _below(params, f'{each.scope}/{several}'):
        layer = _read(merged, scope, bool(each.behind))
        merged |= _written(merged, each.technique.merge(learned, layer))
  return merged


def _below(params: Mapping[str, Any], prefix: str) -> dict[str, Any]:
  return {
    path.removeprefix(prefix): jnp.asarray(value)
    for path, value in params.items()
    if path.startswith(prefix)
  }


def _is_site(path: str) -> bool:
  return f'/{site_lib.PREFIX}' in path


def _read(params: Mapping[str, Any], scope: str, behind: bool) -> linear.Layer:
  kernel = params[_kernel(params, scope)]
  return linear.Layer(scope, kernel, params.get(f'{scope}/bias'), behind)


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
