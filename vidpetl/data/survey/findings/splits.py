"""The same clip in two splits, with two labels, or twice; a small val.

Two clips are the same if they show the same time of files with the same
encoded pictures, whatever the files are called. Where files were not read,
they are those with the same path.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib

TRAIN, VAL = subject_lib.TRAIN, subject_lib.VAL
Groups = dict[str, dict[str, list[int]]]

# Share of the shorter of two clips that both show, for them to be the same.
_SAME = 0.5
_ENDLESS = 1e9
# Clips of val below which one of them moves a percentage by much.
_SMALL = 20


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks for clips that are the same."""
  groups = _groups(subject)
  yield from _leaks(subject, groups)
  same = _same(subject, groups)
  yield from _contradictions(subject, same)
  yield from _duplicates(subject, same)
  yield from _small(subject)


def _groups(subject) -> Groups:
  """Returns the clips of each content: content -> split -> clips."""
  groups: Groups = {}
  for name, part in subject.parts.items():
    for i, path in enumerate(part.paths):
      if path:
        record = part.records.get(path)
        content = (record and record.content) or path
        groups.setdefault(content, {}).setdefault(name, []).append(i)
  return groups


def _leaks(subject, groups) -> Iterator[findings.Finding]:
  leaks, shared = [], []
  for group in groups.values():
    if len(group) < 2:
      continue
    train, val = subject.parts[TRAIN], subject.parts[VAL]
    overlap = _overlap(train, group[TRAIN], val, group[VAL])
    for row, i in enumerate(group[VAL]):
      twin = group[TRAIN][int(overlap[:, row].argmax())]
      pair = f'{val.ids[i]} (val) = {train.ids[twin]} (train)'
      if overlap[:, row].max() >= _SAME:
        leaks.append(pair)
      else:
        shared.append(pair)
  if leaks:
    count = len(subject.parts[VAL])
    text = (
      f'{len(leaks):,} of {findings.plural(count, "val clip")} '
      f'{"is" if len(leaks) == 1 else "are"} in train as well '
      f'({findings.percent(len(leaks) / count)}): what is measured there was '
      'seen in training'
    )
    yield findings.of(findings.WRONG, 'leak', text, leaks)
  if shared:
    text = (
      f'{findings.plural(len(shared), "val clip")} and training clips are '
      'different parts of the same files: people and places are known from '
      'training'
    )
    yield findings.of(findings.NOTE, 'shared_files', text, shared)


def _overlap(train, rows, val, columns) -> np.ndarray:
  """Returns which share of the shorter of two clips both show, [n, m]."""
  spans = []
  for part, chosen in ((train, rows), (val, columns)):
    ends = np.array([min(part.end(i), _ENDLESS) for i in chosen])
    spans.append((part.begins[chosen], ends))
  (begin, end), (begin2, end2) = spans
  both = np.minimum(end[:, None], end2) - np.maximum(begin[:, None], begin2)
  shorter = np.minimum((end - begin)[:, None], end2 - begin2)
  return both / np.maximum(shorter, 1e-9)


def _same(subject, groups) -> list[list[tuple[str, int]]]:
  """Returns the clips that show the very same, [(split, clip), …] each."""
  found = []
  for group in groups.values():
    if sum(map(len, group.values())) < 2:
      continue
    moments = collections.defaultdict(list)
    for name, clips in group.items():
      part = subject.parts[name]
      for i in clips:
        moment = round(float(part.begins[i]), 2), round(part.end(i), 2)
        moments[moment].append((name, i))
    found += [same for same in moments.values() if len(same) > 1]
  return found


def _contradictions(subject, same) -> Iterator[findings.Finding]:
  found = []
  for clips in same:
    labels = {
      (name, i): '|'.join(
        subject.class_name(c) for c in subject.parts[name].classes[i]
      )
      for name, i in clips
    }
    if len(set(labels.values())) > 1:
      found.append(
        findings.equal(
          f'{subject.parts[name].ids[i]} ({name}, {label})'
          for (name, i), label in labels.items()
        )
      )
  if found:
    text = (
      f'{findings.plural(len(found), "clip has", "clips have")} two labels: '
      "keep one of them, or write 'a|b' in one row for clips that show both"
    )
    yield findings.of(findings.WRONG, 'contradiction', text, found)


def _duplicates(subject, same) -> Iterator[findings.Finding]:
  counts, found = collections.Counter(), []
  for name, part in subject.parts.items():
    for clips in same:
      ids = [part.ids[i] for split, i in clips if split == name]
      if len(ids) > 1:
        counts[name] += len(ids) - 1
        found.append(f'{findings.equal(ids)} ({name})')
  if found:
    parts = [
      findings.plural(count, f'{name} clip') for name, count in counts.items()
    ]
    is_one = counts.total() == 1
    text = (
      f'{" and ".join(parts)} {"is" if is_one else "are"} there already, in '
      'the same split'
    )
    yield findings.of(findings.NOTE, 'duplicate', text, found)


def _small(subject) -> Iterator[findings.Finding]:
  count = len(subject.parts.get(VAL, ()))
  if 0 < count < _SMALL:
    text = (
      f'val has {findings.plural(count, "clip")}: one of them is '
      f'{100 / count:.1f} points of a percentage'
    )
    yield findings.of(findings.NOTE, 'small_val', text, [])
