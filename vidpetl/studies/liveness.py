"""What of a program is in memory at once, without compiling it.

The program is walked as JAX wrote it, forward, backward and update. Results of
products, sums and loops are stored. All else is computed element by element: a
compiler makes it within the loop that reads it, if what it is made from is
there anyway. Otherwise either is stored, whichever is less of bytes x the
equations that they wait. So a LayerNorm's input in 16 bits waits for the
backward pass, and not what became of it in 32.

A stored array is in memory from the equation that makes it to the last one that
needs it. One made element by element takes the place of a like one that is
needed no more.

Devices differ in what they can make while they read it (`Device`), and in how
arrays lie: those of TPUs in tiles, which short last axes fill badly.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval

from vidpetl.studies import flops

# What is so many times smaller than an array costs nothing beside it: a mean.
_FEW = 16
_KERNELS = ('custom_call', 'ffi_call', 'pallas_call')
_PRODUCTS = ('dot_general', 'conv_general_dilated', *_KERNELS)
_LOOPS = ('scan', 'while', 'cond')
# They move values, and change none.
_VIEWS = frozenset((
  'broadcast_in_dim', 'copy', 'expand_dims', 'layout_constraint', 'name',
  'reshape', 'rev', 'sharding_constraint', 'squeeze', 'stop_gradient',
  'transpose',
))  # fmt: skip
_BY_ELEMENT = frozenset((
  'abs', 'add', 'add_any', 'and', 'bitcast_convert_type', 'cbrt', 'ceil',
  'clamp', 'concatenate', 'convert_element_type', 'cos', 'div',
  'dynamic_slice', 'empty', 'eq', 'erf', 'erf_inv', 'erfc', 'exp', 'exp2',
  'expm1', 'floor', 'full', 'ge', 'gt', 'integer_pow', 'iota', 'is_finite',
  'le', 'log', 'log1p', 'logistic', 'lt', 'max', 'min', 'mul', 'ne', 'neg',
  'nextafter', 'not', 'or', 'pad', 'pow', 'random_bits', 'random_fold_in',
  'random_seed', 'random_unwrap', 'random_wrap', 'reduce_precision', 'rem',
  'round', 'rsqrt', 'select_n', 'shift_left', 'shift_right_arithmetic',
  'shift_right_logical', 'sign', 'sin', 'slice', 'split', 'sqrt', 'square',
  'sub', 'tanh', 'threefry2x32', 'xor', 'zeros_like',
))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Device:
  """How a device stores arrays.

  Attributes:
    fuses: whether operands of products are made while they are read.
    repeats: whether what is read at several times may be made several times.
    tiles: whether arrays lie in tiles of 8 x 128 words of 32 bits.
  """

  fuses: bool = False
  repeats: bool = True
  tiles: bool = False


def device(platform: str) -> Device:
  """Returns how devices of a platform store arrays."""
  tpu = platform == 'tpu'
  return Device(fuses=tpu, repeats=platform != 'cpu', tiles=tpu)


@dataclasses.dataclass(eq=False)
class Array:
  """An array of a program.

  Attributes:
    size: its bytes.
    made: how: 'given', 'stored', 'view', or 'by element'.
    at: when: products are made at even times, what follows them at odd ones.
    parents: what it is made from.
    since: when it could have been made.
    fixed: whether it is made from what a program is given first, and from
      nothing else.
    readers: how many arrays are made from it.
    until: the last time that it is needed.
    stored: whether it is in memory.
  """

  size: int
  made: str = 'given'
  at: int = -1
  parents: tuple[Array, ...] = ()
  since: int = -1
  fixed: bool = True
  readers: int = 0
  until: int = -1
  stored: bool = False


@dataclasses.dataclass(frozen=True)
class Peak:
  """What is in memory when that is most, in bytes, without what is given.

  Attributes:
    copies: of what is given first, such as weights in 16 bits.
    results: arrays that stay until the end, such as gradients.
    kept: what waits to be read.
    worked_on: what is read or made at that time.
  """

  copies: int
  results: int
  kept: int
  worked_on: int

  @property
  def total(self) -> int:
    return sum(dataclasses.astuple(self))


def peak(
  function: Callable[..., Any], on: Device, first: Any, *args: Any
) -> Peak:
  """Returns what a function has in memory at once, at most.

  Args:
    function: (first, *args) -> results, trees of arrays.
    on: the device that runs it.
    first: tree of shapes of what is there whatever the batch, as weights are.
    *args: trees of shapes.
  """
  traced = jax.make_jaxpr(function)(first, *args).jaxpr
  before = len(jax.tree.leaves(first))
  traced, _ = partial_eval.dce_jaxpr(
    traced, [True] * len(traced.outvars), instantiate=True
  )
  return _Walk(traced, on, before).peak()


class _Walk:
  """A program's arrays in the order in which they are made."""

  def __init__(self, jaxpr: core.Jaxpr, on: Device, first: int):
    self.on = on
    self.arrays: list[Array] = []
    self.within: dict[int, int] = {}  # Time -> bytes that a loop works on.
    self.read: set[Array] = set()  # Has to be in memory.
    self.now = 0
    given = [Array(0, fixed=i < first) for i in range(len(jaxpr.invars))]
    results = self.run(jaxpr, given)
    self.end = self.now + 2
    for array in results:
      _need(array, self.end)
    self.decide()

  def run(self, jaxpr: core.Jaxpr, given: Sequence[Array]) -> list[Array]:
    """Returns the results of a program."""
    known: dict[Any, Array] = dict(zip(jaxpr.invars, given))
    known |= {v: Array(0) for v in jaxpr.constvars}
    read = lambda x: Array(0) if isinstance(x, core.Literal) else known[x]
    for eqn in jaxpr.eqns:
      known |= zip(eqn.outvars, self.made(eqn, [read(x) for x in eqn.invars]))
    return [read(x) for x in jaxpr.outvars]

  def made(self, eqn: core.JaxprEqn, operands: list[Array]) -> list[Array]:
    """Returns the results of an equation."""
    name, inner = eqn.primitive.name, list(flops.within(eqn))
    called = [x for x in inner if len(x.invars) == len(operands)]
    if name not in (*_LOOPS, *_KERNELS) and len(called) == len(inner) == 1:
      return self.run(called[0], operands)
    how = _how(eqn, self.on)
    if how == 'stored':
      self.now += 2
      if name in (*_LOOPS, *_PRODUCTS):
        fused = self.on.fuses and name not in (*_LOOPS, *_KERNELS)
        self.read |= set() if fused else set(map(_viewed, operands))
    if name in _LOOPS:
      turns = (_Walk(each, self.on, 0).peak().total for each in inner)
      self.within[self.now] = max(turns, default=0)
    found = [self.array(how, var.aval, operands) for var in eqn.outvars]
    self.arrays += found
    return found

  def array(self, how: str, aval: Any, operands: Sequence[Array]) -> Array:
    at = self.now + (how != 'stored')
    size = bytes_of(aval, self.on)
    since = at
    if how == 'by element':
      large = [_viewed(x) for x in operands if x.size * _FEW >= size]
      since = max((x.since + (x.made == 'stored') for x in large), default=at)
    fixed = all(x.fixed for x in operands) and bool(operands)
    if how != 'view':
      for operand in set(map(_viewed, operands)):
        operand.readers += 1
    return Array(size, how, at, tuple(operands), since, fixed)

  def decide(self) -> None:
    """Decides what is stored, from the last array to the first."""
    for array in reversed(self.arrays):
      array.until = max(array.until, array.at)
      array.stored = array.made == 'stored' or (
        array.made == 'by element'
        and (array in self.read or self.is_stored(array))
      )
      for parent in array.parents:
        _need(parent, array.at if array.stored else array.until)

  def is_stored(self, array: Array) -> bool:
    """Whether to store an array is less than to keep what it is made from.

    Results need no place: they take that of what a program is given.
    """
    if array.until in (array.at, self.end):
      return False
    if array.readers > 1 and not self.on.repeats:
      return True
    others = _waits(_kept_for(array, array.until), array.until)
    own = _waits({array}, array.until, array.at)
    # Where a product makes its operand, what it is made from serves others too.
    return others > own or (others == own and not self.on.fuses)

  def peak(self) -> Peak:
    """Returns what is in memory when that is most."""
    change = [0] * (self.end + 2)
    stored = [(x, _begins(x)) for x in self.arrays if x.stored]
    for array, begins in stored:
      if begins <= array.until:
        change[begins] += array.size
        change[array.until + 1] -= array.size
    live = list(itertools.accumulate(change))
    for time, size in self.within.items():
      live[time] += size
    when = max(range(len(live)), key=live.__getitem__)
    parts = dict.fromkeys(('copies', 'results', 'kept', 'worked_on'), 0)
    parts['worked_on'] = self.within.get(when, 0)
    for array, begins in stored:
      if begins <= when <= array.until:
        parts[self.part(array, when)] += array.size
    return Peak(**parts)

  def part(self, array: Array, when: int) -> str:
    if array.fixed:
      return 'copies'
    if array.until == self.end:
      return 'results'
    near = when - 1 <= array.at or array.until <= when + 1
    return 'worked_on' if near else 'kept'


def _how(eqn: core.JaxprEqn, on: Device) -> str:
  """Returns how an equation makes its results; see `Array`."""
  name = eqn.primitive.name
  if name in _BY_ELEMENT:
    return 'by element'
  if name not in _VIEWS:
    return 'stored'
  before, after = eqn.invars[0].aval, eqn.outvars[0].aval
  if name == 'reshape' and bytes_of(after, on) >= 2 * bytes_of(before, on):
    return 'stored'  # Values are moved to tiles that they fill far less.
  return 'view'


def _kept_for(array: Array, until: int) -> set[Array]:
  """Returns what would have to be kept, for an array to be made later."""
  found = set()
  for parent in map(_viewed, array.parents):
    if parent.size * _FEW < array.size or parent.made == 'given':
      continue
    own = {parent}
    if parent.made == 'by element' and parent.since == array.since:
      further = _kept_for(parent, until)
      own = min(own, further, key=lambda arrays: _waits(arrays, until))
    found |= own
  return found


def _waits(arrays: set[Array], until: int, since: int = -1) -> int:
  """Returns bytes x times that arrays would be kept for longer."""

  def begin(x):  # What follows a product at once reads its result.
    return since if since >= 0 else max(x.until, x.at + (x.made == 'stored'))

  return sum(x.size * max(0, until - begin(x)) for x in arrays)


def _begins(array: Array) -> int:
  """Returns when an array takes a place of its own."""
  in_place = array.made == 'by element' and any(
    x.until == array.at and x.size >= array.size for x in _sources(array)
  )
  return array.at + in_place


def _sources(array: Array) -> set[Array]:
  """Returns what is stored of that which an array is made from."""
  found, seen, todo = set(), set(), [array]
  while todo:
    for parent in map(_viewed, todo.pop().parents):
      if parent.stored:
        found.add(parent)
      elif parent not in seen:
        seen.add(parent)
        todo.append(parent)
  return found


def _viewed(array: Array) -> Array:
  """Returns what an array is a view of."""
  while array.made == 'view':
    array = array.parents[0]
  return array


def _need(array: Array, until: int) -> None:
  array.until = max(array.until, until)


def bytes_of(aval: Any, on: Device) -> int:
  """Returns the bytes of an array on a device.

  In tiles, those of the order of axes that fills them best.
  """
  dtype = getattr(aval, 'dtype', None)
  if dtype is None or jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
    return 0
  size = math.prod(aval.shape) * dtype.itemsize
  axes = {n for n in aval.shape if n > 1}
  long = {n for n in aval.shape if aval.shape.count(n) > 1} & axes
  if not on.tiles or len(axes) + len(long) < 2:
    return size
  rows = 8 * max(1, 4 // dtype.itemsize)
  pairs = [*itertools.permutations(axes, 2), *((n, n) for n in long)]
  more = lambda n, to: -(-n // to) * to / n
  return int(size * min(more(a, 128) * more(b, rows) for a, b in pairs))
