"""Blocks that are alike, compiled once: a loop in place of their repetition.

A block is traced as it is, with its own parameters, draws and techniques, to
the equations that it computes. Blocks with the same equations, numbers aside,
become one loop (`jax.lax.scan`) over their parameters, stacked, and over the
numbers in which they differ: rates of dropped branches, and what their random
draws are keyed by. Loop and repetition compute the same, draws included. A
block that differs in anything else stands alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.core
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

Wrap = Callable[[Callable, bool], Callable]

# Rules of derivatives, which stand beside the equations whose they are, and are
# other objects in each trace.
_RULES = {
  'jvp_jaxpr_fun',
  'jvp_jaxpr_thunk',
  'fwd_jaxpr_thunk',
  'bwd',
  'out_trees',
}


@dataclasses.dataclass(frozen=True)
class Traced:
  """A block as equations.

  Attributes:
    jaxpr: of `inputs` and of tokens, the last of its variables.
    inputs: parameters, and what else differs from block to block.
    parameters: how many of `inputs` are parameters; they come last.
    out: shape and dtype of what it makes.
    wrapped: whether it is computed again in the backward pass.
  """

  jaxpr: core.Jaxpr
  inputs: tuple[Any, ...]
  parameters: int
  out: jax.ShapeDtypeStruct
  wrapped: bool = False

  def call(self, inputs: Sequence[Any], x: jax.Array) -> jax.Array:
    closed = core.ClosedJaxpr(self.jaxpr, ())
    return core.jaxpr_as_fun(closed)(*inputs, x)[0]


def trace(block: nn.Module, x: Any, wrapped: bool) -> Traced:
  """Traces a block.

  Args:
    block: bound and not yet called, with no variables but its parameters.
    x: tokens, or their shape.
    wrapped: see `Traced`.
  """
  scope = block.scope
  leaves, tree = jax.tree.flatten(scope.variables().get('params', {}))

  def compute(leaves, x):
    # Of the same path and generators, so that it draws what it draws alone.
    own = flax.core.Scope(
      {'params': jax.tree.unflatten(tree, leaves)},
      scope.rngs,
      scope.name,
      path=scope.path,
      flags=scope.flags,
    )
    return block.clone(parent=own)(x)

  closed, out = jax.make_jaxpr(compute, return_shape=True)(leaves, x)
  jaxpr, numbers = _open(closed.jaxpr)
  inputs = (*numbers, *closed.consts, *leaves)
  return _cast_first(Traced(jaxpr, inputs, len(leaves), out, wrapped))


def _open(jaxpr: core.Jaxpr) -> tuple[core.Jaxpr, list[Any]]:
  """Makes numbers and constants of equations arguments; returns the numbers."""
  variables, numbers, eqns = [], [], []
  for eqn in jaxpr.eqns:
    atoms = list(eqn.invars)
    for i, atom in enumerate(atoms):
      if isinstance(atom, core.Literal):
        atoms[i] = core.Var(atom.aval)
        variables.append(atoms[i])
        numbers.append(np.asarray(atom.val, atom.aval.dtype))
    eqns.append(eqn.replace(invars=atoms))
  invars = [*variables, *jaxpr.constvars, *jaxpr.invars]
  return _replaced(jaxpr, invars, eqns), numbers


def _replaced(jaxpr: core.Jaxpr, invars, eqns) -> core.Jaxpr:
  # There are names for as many arguments as there were.
  debug = jaxpr.debug_info._replace(arg_names=('',) * len(invars))
  return jaxpr.replace(constvars=[], invars=invars, eqns=eqns, debug_info=debug)


def _cast_first(block: Traced) -> Traced:
  """Casts parameters before they are stacked, if they are read in half."""
  jaxpr, inputs = block.jaxpr, list(block.inputs)
  uses: dict[Any, list[Any]] = {}
  for eqn in jaxpr.eqns:
    for atom in eqn.invars:
      if isinstance(atom, core.Var):
        uses.setdefault(atom, []).append(eqn)
  invars, gone = list(jaxpr.invars), []
  for i in range(len(inputs) - block.parameters, len(inputs)):
    readers = uses.get(invars[i], [])
    if len(readers) == 1 and _shrinks(readers[0]):
      (invars[i],) = readers[0].outvars
      inputs[i] = inputs[i].astype(invars[i].aval.dtype)
      gone.append(readers[0])
  eqns = [eqn for eqn in jaxpr.eqns if not any(eqn is each for each in gone)]
  jaxpr = _replaced(jaxpr, invars, eqns)
  return dataclasses.replace(block, jaxpr=jaxpr, inputs=tuple(inputs))


def _shrinks(eqn: core.JaxprEqn) -> bool:
  if eqn.primitive.name != 'convert_element_type':
    return False
  (before,), (after,) = eqn.invars, eqn.outvars
  return after.aval.dtype.itemsize < before.aval.dtype.itemsize


def alike(a: Traced, b: Traced) -> bool:
  """Whether two blocks compute the same of their inputs.

  Parameters must train alike, too: a loop makes gradients of all or of none.
  Under `jax.grad`, arrays that train are traced by another class than others.
  """
  kinds = lambda block: [type(each) for each in block.inputs]
  return (
    a.wrapped == b.wrapped
    and a.parameters == b.parameters
    and kinds(a) == kinds(b)
    and _same_jaxpr(a.jaxpr, b.jaxpr)
  )


def _same_jaxpr(a: core.Jaxpr, b: core.Jaxpr) -> bool:
  if a is b:
    return True
  names: dict[Any, Any] = {}

  def bind(ours, theirs) -> bool:
    names.update(zip(ours, theirs))
    return [v.aval for v in ours] == [v.aval for v in theirs]

  def same(ours, theirs) -> bool:
    if isinstance(ours, core.Literal) or isinstance(theirs, core.Literal):
      both = type(ours) is type(theirs) and ours.aval == theirs.aval
      return both and np.array_equal(ours.val, theirs.val)
    return names.get(ours) is theirs

  def read(ours, theirs) -> bool:
    return len(ours) == len(theirs) and all(map(same, ours, theirs))

  def same_eqn(ours, theirs) -> bool:
    return (
      ours.primitive is theirs.primitive
      and read(ours.invars, theirs.invars)
      and _same_value(ours.params, theirs.params)
      and bind(ours.outvars, theirs.outvars)
    )

  return (
    bind(a.constvars, b.constvars)
    and bind(a.invars, b.invars)
    and len(a.eqns) == len(b.eqns)
    and all(map(same_eqn, a.eqns, b.eqns))
    and read(a.outvars, b.outvars)
  )


def _same_value(a: Any, b: Any) -> bool:
  """Compares parameters of equations."""
  if a is b:
    return True
  if type(a) is not type(b):
    return False
  if isinstance(a, core.Jaxpr):
    return _same_jaxpr(a, b)
  if isinstance(a, core.ClosedJaxpr):
    return _same_jaxpr(a.jaxpr, b.jaxpr) and _same_value(a.consts, b.consts)
  if isinstance(a, dict):
    keys = a.keys() - _RULES
    same = keys == b.keys() - _RULES
    return same and all(_same_value(a[key], b[key]) for key in keys)
  if isinstance(a, list | tuple):
    return len(a) == len(b) and all(map(_same_value, a, b))
  return bool(np.array_equal(a, b) if hasattr(a, 'shape') else a == b)


def plan(labels: Sequence[int]) -> list[tuple[int, int, int]]:
  """Divides a row of blocks into loops.

  Args:
    labels: of the blocks; those of one label are alike.

  Returns:
    (first block, blocks that a turn of the loop has, turns) of each loop, in
    order. What repeats is as short as can be.
  """
  found, start = [], 0
  while start < len(labels):
    rest = labels[start:]
    periods = range(1, max(len(rest) // 2, 1) + 1)
    turns = {period: _turns(rest, period) for period in periods}
    # The one that spares most blocks, and of these the shortest.
    period = max(periods, key=lambda p: ((turns[p] - 1) * p, -p))
    if turns[period] == 1:
      period = 1
    found.append((start, period, turns[period]))
    start += period * turns[period]
  return found


def _turns(labels: Sequence[int], period: int) -> int:
  """Returns how often the first `period` labels follow each other."""
  turns = 1
  while labels[turns * period : (turns + 1) * period] == labels[:period]:
    turns += 1
  return turns


def run(
  blocks: Sequence[Traced],
  x: jax.Array,
  wrap: Wrap,
  shown: Callable[[jax.Array], Any] | None,
  loops: bool = True,
) -> jax.Array:
  """Runs blocks one after the other.

  Args:
    blocks: each made for what the one before it makes.
    x: tokens.
    wrap: (function, whether it is in a loop) -> what a function becomes whose
      results are computed again in the backward pass.
    shown: is called with what each block has made, in order; or None.
    loops: whether blocks that are alike become a loop.
  """
  labels = _labels(blocks) if loops else list(range(len(blocks)))
  for start, period, turns in plan(labels):
    part = blocks[start : start + period * turns]
    x, made = _loop(part, period, x, wrap, shown is not None)
    for each in made:
      shown(each)
  return x


def _labels(blocks: Sequence[Traced]) -> list[int]:
  first: list[Traced] = []
  labels = []
  for block in blocks:
    known = [i for i, each in enumerate(first) if alike(each, block)]
    labels.append(known[0] if known else len(first))
    if not known:
      first.append(block)
  return labels


def _loop(blocks, period, x, wrap, keep) -> tuple[jax.Array, list[jax.Array]]:
  """Runs blocks that repeat after `period`; returns what each made, too."""
  turns = len(blocks) // period
  rows = [blocks[i::period] for i in range(period)]
  shared, stacked = zip(*map(_stack, rows))

  def turn(x, given):
    made = []
    for block, same, own in zip(blocks, shared, given):
      call = functools.partial(_call, block, same)
      x = (wrap(call, turns > 1) if block.wrapped else call)(own, x)
      made.append(x)
    return x, made if keep else None

  if turns == 1:
    x, made = turn(x, stacked)
    return x, made or []
  x, made = jax.lax.scan(turn, x, stacked, length=turns)
  return x, [each[i] for i in range(turns) for each in made or ()]


def _call(block, shared, own, x):
  return block.call([own.get(i, same) for i, same in enumerate(shared)], x)


def _stack(blocks: Sequence[Traced]) -> tuple[list[Any], dict[int, Any]]:
  """Returns inputs of all blocks, and by their numbers those that differ."""
  shared, stacked = list(blocks[0].inputs), {}
  others = len(shared) - blocks[0].parameters
  for i, values in enumerate(zip(*(block.inputs for block in blocks))):
    if not _is_one(values, constant=i < others):
      stacked[i], shared[i] = jnp.stack(values), None
  return shared, stacked


def _is_one(values: Sequence[Any], constant: bool) -> bool:
  first = values[0]
  if all(each is first for each in values):
    return True
  known = constant and not isinstance(first, jax.core.Tracer)
  return known and all(np.array_equal(first, each) for each in values)
