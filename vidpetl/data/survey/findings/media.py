"""How videos were recorded and encoded: rates, sizes, keyframes, codecs."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib

# The highest usual frame rate over the lowest at which clips still last alike.
_ALIKE = 1.2
# Frames from keyframe to keyframe: `vidpetl prepare` has one in 30.
_FAR = 60


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at the files of all splits together."""
  files = {}
  for part in subject.parts.values():
    files.update({p: r for p, r in part.files().items() if r.readable})
  if files:
    yield from _rates(subject, files)
    yield from _sizes(subject, files)
    yield from _keyframes(files)
    yield from _variable(files)
    yield from _codecs(files)


def _rates(subject, files) -> Iterator[findings.Finding]:
  recipe = subject.recipe
  rates = np.array([r.fps for r in files.values()])
  low, high = np.percentile(rates, [5, 95], method='nearest')
  counted = recipe and (recipe.fps or subject.parts['train'].info.fps)
  if high <= _ALIKE * low or counted:
    return
  text = f'frame rates differ, {low:g} to {high:g} a second'
  if recipe and recipe.stride != 1:
    fps = float(np.median(rates))
    text += (
      f", and strides count in each file's own: a clip lasts "
      f'{recipe.seconds(high):.1f} to {recipe.seconds(low):.1f} s. '
      f'--config.tasks.{subject.name}.clip.fps={fps:g} counts in one rate'
    )
  odd = [f'{p}: {r.fps:g}' for p, r in files.items()]
  yield findings.of(findings.NOTE, 'frame_rates', text, odd)


def _sizes(subject, files) -> Iterator[findings.Finding]:
  side = subject.recipe.resolution if subject.recipe else 0
  small = {p: r for p, r in files.items() if min(r.width, r.height) < side}
  if small:
    median = int(np.median([min(r.width, r.height) for r in small.values()]))
    text = (
      f'{len(small):,} of {findings.plural(len(files), "file")} '
      f'{"is" if len(small) == 1 else "are"} smaller than the {side} pixels '
      f'that the model sees, and enlarged ({median} pixels in the median)'
    )
    found = [f'{p}: {r.width}x{r.height}' for p, r in small.items()]
    yield findings.of(findings.NOTE, 'enlarged', text, found)


def _keyframes(files) -> Iterator[findings.Finding]:
  far = {p: r for p, r in files.items() if r.longest_gop > _FAR}
  if 2 * len(far) > len(files):
    longest = int(np.median([r.longest_gop for r in far.values()]))
    text = (
      f'{len(far):,} of {findings.plural(len(files), "file")} have a keyframe '
      f'in {longest} frames (median), and a clip may decode as many to show a '
      'few: `vidpetl prepare` encodes them with one in 30, which loads faster'
    )
    found = [f'{p}: {r.longest_gop} frames' for p, r in far.items()]
    yield findings.of(findings.NOTE, 'keyframes_far', text, found)


def _variable(files) -> Iterator[findings.Finding]:
  found = [path for path, r in files.items() if r.variable]
  if found:
    text = (
      f'{findings.plural(len(found), "file has", "files have")} a variable '
      'frame rate: frames are read by their times'
    )
    yield findings.of(findings.INFO, 'variable_rate', text, found)


def _codecs(files) -> Iterator[findings.Finding]:
  counts = collections.Counter(
    f'{r.codec} in {r.container}' for r in files.values()
  )
  if len(counts) > 1:
    found = [f'{what}: {count:,}' for what, count in counts.most_common()]
    text = f'files are of several kinds: {findings.listed(found)}'
    yield findings.of(findings.INFO, 'codecs', text, found)
