"""What of a forward pass stays in memory until the backward pass has it.

JAX hands a backward pass more than a compiler keeps: a LayerNorm's normalised
values in float32, say, which XLA computes again from the LayerNorm's input
within the loop that needs them. So an array counts here only if it has to be
there: what follows from other kept arrays element by element, or by a sum over
some of their axes, is free, unless a matrix product or a convolution reads it,
for which it is in memory anyway.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.extend import core

# Their results cannot be had again for the price of reading their operands.
_PRODUCTS = (
  'dot_general',
  'conv_general_dilated',
  'custom_call',
  'pallas_call',
)
# What is so many times smaller than an array costs nothing beside it: a mean.
_FEW = 16
# They move values, and change none.
_VIEWS = (
  'convert_element_type', 'reshape', 'transpose', 'squeeze', 'copy', 'name',
  'broadcast_in_dim', 'stop_gradient', 'sharding_constraint', 'rev', 'slice',
)  # fmt: skip


@dataclasses.dataclass(eq=False)
class Node:
  """An array of a program.

  Attributes:
    size: its bytes.
    parents: what it is computed from.
    made: by what: 'given', 'product', 'view' or 'loop'.
    is_read: whether a product reads it, so that it is in memory.
  """

  size: int
  parents: tuple[Node, ...] = ()
  made: str = 'given'
  is_read: bool = False


def kept(
  function: Callable[..., Any], given: Any, *args: Any
) -> tuple[int, int]:
  """Returns the bytes of a function's results that have to be kept.

  And those of them that follow from `given` alone, whatever `args` are, as
  parameters that were stacked for a loop do.

  Args:
    function: (given, *args) -> residuals, a tree.
    given: tree of what is in memory anyway, such as parameters.
    *args: trees of what else it takes; kept where it is a residual.
  """
  closed = jax.make_jaxpr(function)(given, *args)
  before = len(jax.tree.leaves(given))
  inputs = [Node(_size(v.aval)) for v in closed.jaxpr.invars]
  consts = [Node(_size(v.aval)) for v in closed.jaxpr.constvars]
  free = {*inputs[:before], *consts}
  fixed = set(free)
  total = alone = 0
  for node in _run(closed.jaxpr, consts, inputs):
    if not _follows(node, free):
      node = _origin(node)
      total += node.size
      alone += node.size if _is_of(node, fixed) else 0
      free.add(_viewed(node))
  return total, alone


def _is_of(node: Node, given: set[Node]) -> bool:
  """Whether a node is computed from given ones, and from nothing else."""
  seen, todo = {node}, [node]
  while todo:
    each = todo.pop()
    if each in given:
      continue
    if each.made == 'given' and each.size:
      return False
    new = [p for p in each.parents if p not in seen]
    seen.update(new)
    todo += new
  return True


def _follows(node: Node, free: set[Node]) -> bool:
  """Whether a node need not be kept, if those of `free` are."""
  root = _viewed(node)
  if root in free:
    return True
  if root.is_read and root.made == 'loop':
    return False
  least, seen, todo = node.size / _FEW, {root}, [root]
  while todo:
    each = todo.pop()
    if each in free or each.size < least:
      continue
    if each.made in ('product', 'given'):
      return False
    new = [p for p in map(_viewed, each.parents) if p not in seen]
    seen.update(new)
    todo += new
  return True


def _origin(node: Node) -> Node:
  """Returns what is kept for a node: a smaller one that it follows from.

  A LayerNorm's input, say, in 16 bits, for what it makes of it in 32.
  """
  while True:
    root = _viewed(node)
    if root.made != 'loop' or root.is_read:
      return node
    large = [p for p in root.parents if p.size >= root.size / _FEW]
    narrowed = min(large, key=lambda p: p.size, default=None)
    if len({_viewed(p) for p in large}) != 1 or narrowed.size > node.size:
      return node
    node = min(narrowed, _viewed(narrowed), key=lambda p: p.size)


def _viewed(node: Node) -> Node:
  """Returns what a node is a view of."""
  while node.made == 'view':
    node = node.parents[0]
  return node


def _run(
  jaxpr: core.Jaxpr,
  consts: Sequence[Node],
  inputs: Sequence[Node],
  turns: int = 1,
) -> list[Node]:
  """Returns the nodes of a program's results; of so many turns of a loop."""
  known: dict[Any, Node] = dict(zip(jaxpr.constvars, consts))
  known |= dict(zip(jaxpr.invars, inputs))

  def read(atom):
    if isinstance(atom, core.Literal):
      return Node(0)
    return known[atom]

  for eqn in jaxpr.eqns:
    operands = [read(atom) for atom in eqn.invars]
    for var, node in zip(eqn.outvars, _made(eqn, operands, turns)):
      known[var] = node
  return [read(atom) for atom in jaxpr.outvars]


def _made(
  eqn: core.JaxprEqn, operands: list[Node], turns: int
) -> Iterator[Node]:
  """Yields the nodes of an equation's results."""
  name = eqn.primitive.name
  sizes = [turns * _size(v.aval) for v in eqn.outvars]
  inner = _called(eqn)
  if inner is not None and len(inner.jaxpr.invars) == len(operands):
    consts = [Node(_size(v.aval)) for v in inner.jaxpr.constvars]
    if name == 'scan':
      yield from _looped(eqn, inner.jaxpr, consts, operands, sizes)
    else:
      yield from _run(inner.jaxpr, consts, operands, turns)
    return
  made = 'view' if name in _VIEWS else 'loop'
  if name in _PRODUCTS:
    made = 'product'
    for node in operands:
      _mark(node)
  parents = tuple(operands)
  for size in sizes:
    yield Node(size, parents, made)


def _looped(eqn, jaxpr, consts, operands, sizes) -> list[Node]:
  """Returns the nodes of a loop's results; arrays within are of all turns.

  What a turn hands to the next follows from nothing outside of the loop.
  """
  first, carried = eqn.params['num_consts'], eqn.params['num_carry']
  turns = eqn.params['length']
  inputs = list(operands)
  for i in range(first, first + carried):
    inputs[i] = Node(turns * operands[i].size, tuple(operands), 'product')
  found = _run(jaxpr, consts, inputs, turns)
  ends = [Node(size, tuple(operands), 'product') for size in sizes[:carried]]
  return ends + found[carried:]


def _mark(node: Node) -> None:
  """Marks what a product reads, and what that is a view of."""
  node.is_read = True
  while node.made == 'view':
    node = node.parents[0]
    node.is_read = True


def _called(eqn: core.JaxprEqn) -> core.ClosedJaxpr | None:
  """Returns the program that an equation runs, if it is one."""
  for value in eqn.params.values():
    if isinstance(value, core.ClosedJaxpr):
      return value
    if isinstance(value, core.Jaxpr):
      return core.ClosedJaxpr(value, ())
  return None


def _size(aval: Any) -> int:
  dtype = getattr(aval, 'dtype', None)
  if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
    return 0
  return math.prod(aval.shape) * dtype.itemsize
