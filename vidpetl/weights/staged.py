"""What families of transformers of stages share."""

from __future__ import annotations

import re

from vidpetl.weights.errors import WeightsError
from vidpetl.weights.family import Shapes

ENCODER = 'Transformer'
_BLOCK = re.compile(rf'{ENCODER}/encoderblock_(\d+)/')


def depths(shapes: Shapes) -> tuple[int, ...]:
  """Returns the blocks of each stage, which begins where tokens are widened.

  Args:
    shapes: by our names.

  Raises:
    WeightsError: if a block that widens has no shortcut, or the other way.
  """
  count = 1 + max(int(m[1]) for n in shapes if (m := _BLOCK.match(n)))
  begins, last = [0], 0
  for i in range(count):
    at = f'{ENCODER}/encoderblock_{i}'
    given, made = (shapes[f'{at}/LayerNorm_{n}/scale'][0] for n in (0, 1))
    times = 2 if f'{at}/proj/kernel' in shapes else 1
    if made != times * given or (last and given != last):
      raise WeightsError(
        f'block {i} makes tokens of {made} channels of {given}, '
        + ('with' if times == 2 else 'without')
        + ' a layer `proj` in its shortcut: blocks that begin a stage have one '
        'and double the width, and others do neither'
      )
    begins += [i] if times == 2 else []
    last = made
  return tuple(b - a for a, b in zip(begins, [*begins[1:], count]))
