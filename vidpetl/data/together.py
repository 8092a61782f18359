"""Clips of a batch, of which those of one file are loaded together.

A file is opened once, and what several clips show is decoded once. Each clip is
what `clips.load` makes of it alone, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vidpetl.data import (
  clip_spec,
  clips,
  decode,
  examples,
  frames,
  samplers,
  streaming,
)
from vidpetl.data import quarantine as quarantine_lib


class Asked(NamedTuple):
  """A clip that is to be loaded.

  Attributes:
    row: of the batch.
    members: the examples of the source that it shows, see `clips.members`.
    seed: uint32 [2], all that is random follows from it.
  """

  row: int
  members: tuple[int, ...]
  seed: np.ndarray

  @property
  def example(self) -> int:
    """The example that it is a clip of."""
    return self.members[0]

  def of(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns its row."""
    return {key: array[self.row, ...] for key, array in batch.items()}


def groups(
  source: examples.Source,
  spec: clip_spec.ClipSpec,
  asked: Sequence[Asked],
  least: int,
) -> list[list[Asked]]:
  """Returns clips by file, so that each group can be loaded together.

  Args:
    source: annotations and videos.
    spec: how clips are cut.
    asked: the clips of a batch.
    least: groups that keep all workers busy; large ones are halved for it,
      between examples that follow each other.
  """
  if spec.paired:
    return [[one] for one in asked]
  found: dict[int | str, list[Asked]] = {}
  for one in asked:
    found.setdefault(_file(source, one.example), []).append(one)
  parts = [sorted(part, key=lambda one: one.example) for part in found.values()]
  while len(parts) < min(least, len(asked)):
    parts.sort(key=len)
    largest = parts.pop()
    half = len(largest) // 2
    parts += largest[:half], largest[half:]
  return parts


def _file(source: examples.Source, example: int) -> int | str:
  """Returns what tells the file of an example, without reading it."""
  if source.info.files:
    return example
  video = source.video(example)
  return video if isinstance(video, str) else example


def load(
  source: examples.Source,
  spec: clip_spec.ClipSpec,
  asked: Sequence[Asked],
  batch: Mapping[str, np.ndarray],
  quarantine: quarantine_lib.Quarantine | None = None,
) -> None:
  """Fills clips of one file; see `clips.load`.

  Args:
    source: annotations and videos.
    spec: how to cut the clips; must suit the source.
    asked: one of the `groups`.
    batch: whose rows are filled, zeros as of `clips.padding`.
    quarantine: where an undecodable video is listed; without it, it raises.
  """
  if len(asked) > 1:
    try:
      _load_together(source, spec, asked, batch)
    except decode.DecodeError:
      pass  # Alone, those load that can, and the others say why not.
    else:
      if quarantine is not None:
        for _ in asked:
          quarantine.succeed(source)
      return
  for one in asked:
    row = one.of(batch)
    clips.fill(source, one.members, spec, one.seed, quarantine, row)


def _load_together(
  source: examples.Source,
  spec: clip_spec.ClipSpec,
  asked: Sequence[Asked],
  batch: Mapping[str, np.ndarray],
) -> None:
  def window(number: int, one: Asked) -> streaming.Window:
    def begin():
      row = one.of(batch)
      row['index'][...] = one.example
      row['seed'][:] = one.seed
      return row

    draws = samplers.Draws(np.asarray(one.seed))
    return streaming.Window(number, source[one.example], draws, begin)

  first = asked[0].example
  video = source.video(first)
  name = clips.full_name(video, source[first].id, source.info)
  with frames.open_video(video, name, source.info.fps) as film:
    windows = [window(k, one) for k, one in enumerate(asked)]
    for _ in streaming.filled(film, windows, spec, source.info):
      pass
