"""Classes that nothing trains or tests, and those that few clips show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib

# Training clips below which a class can hardly be learned.
_FEW = 5
# Clips of the largest class for one of the smallest.
_IMBALANCE = 10


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at how often each class is shown in each split."""
  if not subject.classes:
    return
  train = subject.parts[subject_lib.TRAIN].counts
  names = lambda which: [
    subject.class_name(i) for i in np.flatnonzero(which) if i in subject.classes
  ]
  if subject_lib.VAL in subject.parts:
    val = subject.parts[subject_lib.VAL].counts
    yield from _apart(subject, train, val, names)
    yield from _of_nobody(subject, names((train == 0) & (val == 0)))
  else:
    yield from _of_nobody(subject, names(train == 0))
  if few := names((train > 0) & (train < _FEW)):
    text = (
      (
        f'{_classes(few)} fewer than {_FEW} training examples: '
        f'{findings.listed(few)}'
      )
      .replace(' is ', ' has ')
      .replace(' are ', ' have ')
    )
    yield findings.of(findings.NOTE, 'class_of_few', text, few)
  yield from _imbalance(subject, train)


def _classes(names: list[str]) -> str:
  return findings.plural(len(names), 'class is', 'classes are')


def _apart(subject, train, val, names) -> Iterator[findings.Finding]:
  """Classes that are in one of the splits alone."""
  if untrained := names((train == 0) & (val > 0)):
    text = (
      f'{_classes(untrained)} in val alone, where nothing trains them: '
      f'{findings.listed(untrained)}'
    )
    if val.sum() == len(subject.parts[subject_lib.VAL]):  # one class each
      most = val[train > 0].sum() / val.sum()
      text += f'. At most {findings.percent(most)} of val can be right'
    yield findings.of(findings.WRONG, 'class_untrained', text, untrained)
  if untested := names((train > 0) & (val == 0)):
    text = (
      f'{_classes(untested)} in train alone, and never tested: '
      f'{findings.listed(untested)}'
    )
    yield findings.of(findings.NOTE, 'class_untested', text, untested)


def _of_nobody(subject, names) -> Iterator[findings.Finding]:
  if names:
    text = (
      f'{_classes(names)} shown by nothing at all, of '
      f'{len(subject.classes):,}: {findings.listed(names)}'
    )
    yield findings.of(findings.NOTE, 'class_empty', text, names)


def _imbalance(subject, train) -> Iterator[findings.Finding]:
  there = train[train > 0]
  if len(there) < 2 or there.max() < _IMBALANCE * there.min():
    return
  largest = int(train.argmax())
  smallest = int(np.where(train > 0, train, train.max()).argmin())
  text = (
    f'the largest class, {subject.class_name(largest)}, has '
    f'{train[largest]:,} training examples '
    f'({findings.percent(train[largest] / train.sum())}), the smallest, '
    f'{subject.class_name(smallest)}, has {train[smallest]:,}'
  )
  yield findings.of(findings.NOTE, 'imbalance', text, [])
