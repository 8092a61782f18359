"""Parameters, each drawn by a program that all of its kind share.

A net draws its parameters of few kinds: of a shape, by an initializer. In one
program for all, each draw is compiled anew, which takes longer than to compile
a training step. Here a kind is compiled once: for all blocks of a net, and for
all nets that a process builds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

# (kind, sharding) -> keys -> an array of that kind.
_PROGRAMS: dict[Any, Callable[..., jax.Array]] = {}


@dataclasses.dataclass(frozen=True)
class Part:
  """One of the arrays that a function of a key returns.

  Attributes:
    program: keys -> the array.
    folds: for each of these keys what is folded into the function's for it;
      None for that key itself. Without any, the array is no matter of chance.
  """

  program: core.ClosedJaxpr
  folds: tuple[int | None, ...]


def draw(whole: Any, key: jax.Array, where: Any = None) -> Any:
  """Returns what a function of a key returns, bit for bit.

  Args:
    whole: key -> tree of arrays, under `jax.jit`.
    key: a typed one.
    where: the sharding of each; one device has all of them if None.
  """
  traced = whole.trace(key)
  parts, tree = _parts(traced.jaxpr), jax.tree.structure(traced.out_info)
  places = jax.tree.leaves(where) or [None] * len(parts)
  fixed = [i for i, part in enumerate(parts) if not part.folds]
  found = dict(zip(fixed, _fixed(fixed, parts, places), strict=True))
  for i, part in enumerate(parts):
    if part.folds:
      keys = [_folded(key, data) for data in part.folds]
      found[i] = _program(part.program, places[i])(*keys)
  return tree.unflatten([found[i] for i in range(len(parts))])


def _parts(closed: core.ClosedJaxpr) -> list[Part]:
  """Cuts a function of a key into one for each array that it returns."""
  made = {
    out: i for i, eqn in enumerate(closed.jaxpr.eqns) for out in eqn.outvars
  }
  consts = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
  return [
    _part(out, closed.jaxpr, made, consts) for out in closed.jaxpr.outvars
  ]


def _part(
  out: Any, jaxpr: core.Jaxpr, made: dict[Any, int], consts: dict[Any, Any]
) -> Part:
  """Returns what one array takes; `made` has the equation of each variable."""
  (key,) = jaxpr.invars
  folds, used, needed, asked = {}, {}, set(), [out]
  while asked:
    var = asked.pop()
    if isinstance(var, core.Literal):
      continue
    if var is key:
      folds[var] = None
    elif var in consts:
      used[var] = consts[var]
    elif made[var] not in needed:
      eqn = jaxpr.eqns[made[var]]
      if _folds_a_number_into(key, eqn):
        folds[var] = int(eqn.invars[1].val)
      else:
        needed.add(made[var])
        asked += eqn.invars
  eqns = [jaxpr.eqns[i] for i in sorted(needed)]
  own = jaxpr.replace(
    constvars=list(used), invars=list(folds), outvars=[out], eqns=eqns
  )
  return Part(core.ClosedJaxpr(own, list(used.values())), tuple(folds.values()))


def _folds_a_number_into(key: Any, eqn: core.JaxprEqn) -> bool:
  if eqn.primitive.name != 'random_fold_in':
    return False
  into, data = eqn.invars
  return into is key and isinstance(data, core.Literal)


def _folded(key: jax.Array, data: int | None) -> jax.Array:
  return key if data is None else jax.random.fold_in(key, np.uint32(data))


def _fixed(
  numbers: Sequence[int], parts: Sequence[Part], places: Sequence[Any]
) -> list[jax.Array]:
  """Returns the parts that no key is needed for, by one small program."""
  made = [core.jaxpr_as_fun(parts[i].program) for i in numbers]

  def constants():
    return [make()[0] for make in made]

  return jax.jit(constants, out_shardings=[places[i] for i in numbers])()


def _program(kind: core.ClosedJaxpr, where: Any) -> Callable[..., jax.Array]:
  """Returns the program of a kind: keys -> array."""
  make = core.jaxpr_as_fun(kind)

  def parameter(*keys):
    return make(*keys)[0]

  compiled = jax.jit(parameter, out_shardings=where)
  if kind.consts:
    return compiled
  # Variables are named by their order, so that those alike read alike.
  return _PROGRAMS.setdefault((str(kind.jaxpr), where), compiled)
