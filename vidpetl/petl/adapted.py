"""`Adapted`: a backbone with techniques bound to its sites.

  model = Adapted(vivit.build(variant='B'), (At('mlp', Adapter(64)),))

A technique is a linen module `(y, given, grid) -> y` (see `site.site`). One
with dropout needs no `train` flag: `deterministic=not self.has_rng('dropout')`.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax

from vidpetl.backbones import features, tapping
from vidpetl.backbones import site as site_lib


@dataclasses.dataclass(frozen=True)
class At:
  """Binds `technique` to every site called `site` below paths like `where`.

  Attributes:
    site: name of the sites, e.g. 'attn_qkv'.
    technique: module `(y, given, grid) -> y`. Its `name` is its scope below
      the site; unnamed, it is called after its class, the second one of a
      class at the same site `<class>_1`, and so on.
    where: regular expression that is searched for in the path of the module
      that has the site, e.g. 'encoderblock_1[01](/|$)'. '' is everywhere.
    per: (regular expression, options by name) for paths that contain it. Of an
      option that several say, the first counts.
  """

  site: str
  technique: nn.Module
  where: str = ''
  per: Sequence[tuple[str, Mapping[str, Any]]] = ()

  def matches(self, name: str, parent: str) -> bool:
    return name == self.site and re.search(self.where, parent) is not None

  def at(self, parent: str) -> nn.Module:
    """Returns the technique with the options that it has at a path."""
    found = options_at(self.per, parent)
    return self.technique.clone(**found) if found else self.technique

  def __str__(self) -> str:
    where = f', where={self.where!r}' if self.where else ''
    return f'At({self.site!r}, {type(self.technique).__name__}{where})'


def options_at(
  per: Iterable[tuple[str, Mapping[str, Any]]], path: str
) -> dict[str, Any]:
  """Returns the options that `At.per` has for a path."""
  found: dict[str, Any] = {}
  for pattern, options in per:
    if re.search(pattern, path):
      found = {**options, **found}
  return found


class Adapted(nn.Module):
  """`backbone` with `bindings` in place, its parameters under the same paths.

  At a site, bindings act in the order in which they are listed.

  Attributes:
    backbone: any module that has sites.
    bindings: what is bound, and where.
    blocks: numbers of the blocks that heads read, see `tapping.asked`; what
      they made is in `Features.blocks`.
    off: numbers of the bindings that do nothing; others keep their names.
    scale: if given, y + scale (technique(y) - y) takes the place of what a
      technique makes of y.

  Raises:
    ValueError: when called, if a binding matches no site.
  """

  backbone: nn.Module
  bindings: Sequence[At] = ()
  scale: Any = None
  blocks: Sequence[int] = ()
  off: Sequence[int] = ()

  def __post_init__(self):
    super().__post_init__()
    if self.scope is not None:
      nn.share_scope(self, self.backbone)

  @nn.compact
  def __call__(self, *args, **kwargs):
    binder = _Binder(self.bindings, self.path, self.scale, self.off)
    asked = (*self.blocks, *binder.blocks())
    with nn.intercept_methods(binder), tapping.asked(asked) as made:
      out = self.backbone(*args, **kwargs)
      if isinstance(out, features.Features):
        out = out.replace(blocks=made(self.blocks))
        read = lambda numbers: list(made(numbers).values())
        trunk = features.Trunk(args[0], read)
        out = site_lib.site(site_lib.FEATURES, out, given=trunk)
    binder.check_all_used()
    if isinstance(out, features.Features) and out.tube is not None:
      # These layers run later, in a head, and hold sites as well.
      bind = nn.intercept_methods
      out = out.replace(tube=_within(lambda: bind(binder), out.tube))
    return out


def tapped(backbone: nn.Module, blocks: Sequence[int]) -> Adapted:
  """Returns a backbone, adapted or not, that shows what these blocks made."""
  if isinstance(backbone, Adapted):
    return backbone.clone(blocks=tuple(blocks))
  return Adapted(backbone, blocks=tuple(blocks))


class _Binder:
  """Interceptor of `Site.__call__` that runs what is bound there."""

  def __init__(
    self,
    bindings: Sequence[At],
    root: tuple[str, ...],
    scale: Any,
    off: Sequence[int],
  ):
    self.bindings = tuple(bindings)
    self.root, self.scale, self.off = root, scale, frozenset(off)
    self.seen = collections.defaultdict(set)  # Site -> paths it was seen at.
    self.used = set()

  def __call__(self, call, args, kwargs, context):
    y = call(*args, **kwargs)
    if not _is_site_call(context):
      return y
    _, given, grid = args
    name = context.module.name.removeprefix(site_lib.PREFIX)
    parent = '/'.join(context.module.path[len(self.root) : -1])
    self.seen[name].add(parent)
    matches = [
      i for i, at in enumerate(self.bindings) if at.matches(name, parent)
    ]
    self.used.update(matches)
    techniques = [self.bindings[i].at(parent) for i in matches]
    for i, scope, technique in zip(matches, _names(techniques), techniques):
      if i in self.off:
        continue
      module = technique.clone(parent=context.module, name=scope)
      new = module(y, given, grid)
      y = new if self.scale is None else _scaled(self.scale, y, new, scope)
    return y

  def blocks(self) -> list[Any]:
    """Returns which blocks the techniques at `features` read."""
    found = []
    for i, at in enumerate(self.bindings):
      if at.site == site_lib.FEATURES and i not in self.off:
        if not hasattr(at.technique, 'reads'):
          raise ValueError(
            f'config.petl[{i}].site: {at}: at features are side networks '
            'alone; all others act within the backbone'
          )
        found += at.technique.reads()
    return found

  def check_all_used(self):
    unused = [i for i, _ in enumerate(self.bindings) if i not in self.used]
    if not unused:
      return self.check_all_options()
    binding, here = self.bindings[unused[0]], f'config.petl[{unused[0]}]'
    if binding.site in self.seen:
      paths = ', '.join(sorted(self.seen[binding.site]))
      raise ValueError(
        f'{here}.where: {binding} matches nothing: no path of a site '
        f'{binding.site!r} contains {binding.where!r}. Their paths: {paths}.'
      )
    known = ', '.join(sorted(self.seen)) or 'none'
    raise ValueError(
      f'{here}.site: {binding} matches nothing: the backbone has no site '
      f'{binding.site!r}. Its sites: {known}.'
    )

  def check_all_options(self):
    for i, binding in enumerate(self.bindings):
      paths = [
        path
        for path in sorted(self.seen[binding.site])
        if binding.matches(binding.site, path)
      ]
      for pattern, _ in binding.per:
        if not any(re.search(pattern, path) for path in paths):
          raise ValueError(
            f'config.petl[{i}].per: {pattern!r} matches none of the paths that '
            f'{binding} is bound to: {", ".join(paths)}'
          )


def _scaled(scale: Any, y: Any, new: Any, name: str) -> Any:
  """Returns y + scale (new - y)."""

  def blend(a, b):
    if a.shape != b.shape:
      raise ValueError(
        f'{name} cannot be scaled: it makes {b.shape} of {a.shape}'
      )
    return (a + scale * (b - a)).astype(b.dtype)

  if jax.tree.structure(y) != jax.tree.structure(new):
    raise ValueError(
      f'{name} cannot be scaled: of people it makes no tubes, and the backbone '
      'does'
    )
  return jax.tree.map(blend, y, new)


def _is_site_call(context) -> bool:
  """Whether it is of a backbone's site, and not of one in a technique."""
  return (
    isinstance(context.module, site_lib.Site)
    and context.method_name == '__call__'
    and not any(s.startswith(site_lib.PREFIX) for s in context.module.path[:-1])
  )


def _names(techniques: Sequence[nn.Module]) -> list[str]:
  """Scopes of the techniques bound to one site, all different."""
  names = []
  counts = collections.Counter()
  for technique in techniques:
    kind = type(technique).__name__
    if technique.name:
      names.append(technique.name)
      continue
    names.append(f'{kind}_{counts[kind]}' if counts[kind] else kind)
    counts[kind] += 1
  if twice := [n for n, c in collections.Counter(names).items() if c > 1]:
    raise ValueError(
      f'two techniques at one site are called {twice[0]!r}: give one of them '
      'another `name`'
    )
  return names


def _within(
  enter: Callable[[], contextlib.AbstractContextManager], fn: Callable
) -> Callable:
  """`fn`, called within a context."""

  def wrapped(*args, **kwargs):
    with enter():
      return fn(*args, **kwargs)

  return wrapped


@dataclasses.dataclass(frozen=True)
class Place:
  """A site, as `sites` found it in a model.

  Attributes:
    path: scope of the module that has the site, joined by '/'.
    name: of the site.
    value: shape of what a technique edits; a tuple of shapes at `attn_qkv`,
      and at `features` those of grid and summary.
    given: shape of what the branch was given, or None.
    grid: where the tokens sit.
    techniques: scopes of what is bound, in the order in which they act.
  """

  path: str
  name: str
  value: Any
  given: Any
  grid: site_lib.Grid | None
  techniques: tuple[str, ...]


def sites(model: nn.Module, *args, **kwargs) -> list[Place]:
  """Lists the sites of a model in the order in which they act.

  Nothing is computed or allocated.

  Args:
    model: a module, adapted or not.
    *args: arrays, or `jax.ShapeDtypeStruct`s, for `model.__call__`.
    **kwargs: its static arguments, e.g. `train=False`.

  Returns:
    One `Place` per site.
  """
  calls = {}
  bound = collections.defaultdict(list)

  def observe(call, args, kwargs, context):
    module = context.module
    y = call(*args, **kwargs)
    if _is_site_call(context):
      calls.setdefault(module.path, _shapes(*args))
    elif (
      isinstance(module.parent, site_lib.Site)
      and module.name not in bound[module.parent.path]
    ):
      bound[module.parent.path].append(module.name)
    return y

  with nn.intercept_methods(observe):
    jax.eval_shape(
      lambda *a: model.init(jax.random.key(0), *a, **kwargs), *args
    )
  return [
    Place(
      '/'.join(path[:-1]),
      path[-1].removeprefix(site_lib.PREFIX),
      *call,
      tuple(bound[path]),
    )
    for path, call in calls.items()
  ]


@contextlib.contextmanager
def layers() -> Iterator[dict[str, int]]:
  """Gives path of a kernel -> number of its output axes, of all layers.

  It fills up while models are called within.
  """
  found: dict[str, int] = {}

  def observe(call, args, kwargs, context):
    if _is_site_call(context) and isinstance(args[1], site_lib.Linear):
      found['/'.join((*context.module.path[:-1], 'kernel'))] = args[1].axes
    return call(*args, **kwargs)

  with nn.intercept_methods(observe):
    yield found


def _shapes(y, given, grid) -> tuple[Any, Any, site_lib.Grid | None]:
  if isinstance(given, (site_lib.Branch, features.Trunk)):
    given = None
  if isinstance(given, site_lib.Linear):
    given = given.x
  if isinstance(y, features.Features):
    y = y.grid, y.summary
  value, given = jax.tree.map(lambda x: x.shape, (y, given))
  return value, given, grid
