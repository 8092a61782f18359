"""PD4T's lists of videos with UPDRS scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vidpetl.data.annotations import text

_MOST = 4  # severe; 0 is normal


class Video(NamedTuple):
  """One video.

  Attributes:
    sample: e.g. '15-005087_l': a visit, and a side where there is one.
    subject: e.g. '042'.
    score: 0 to 4.
  """

  sample: str
  subject: str
  score: float


def read(path: str) -> list[Video]:
  """Reads a list.

  Args:
    path: a release's `.csv`, with lines `15-005087_l_042,168,3` of sample and
      subject, frames, and score; or a `.list` with lines
      `15-005087_l 3 168 042` of sample, score, frames and subject.

  Raises:
    text.AnnotationError: with file and line.
  """
  rows = _csv(path) if path.endswith('.csv') else _list(path)
  videos: dict[tuple[str, str], Video] = {}
  for line, sample, subject, score in rows:
    if (subject, sample) in videos:
      problem = f'{sample} of {subject} again'
      raise text.fail(path, line, problem, 'each video once')
    value = text.number(score, path, line, 'score')
    if not 0 <= value <= _MOST:
      raise text.fail(path, line, f'score is {score}', f'0 to {_MOST}')
    videos[subject, sample] = Video(sample, subject, value)
  if not videos:
    raise text.fail(path, None, 'no videos', 'one per line')
  return list(videos.values())


def require_apart(
  paths: tuple[str, str], train: list[Video], test: list[Video]
) -> None:
  """Refuses two lists that share a subject.

  Raises:
    text.AnnotationError: naming them.
  """
  both = {v.subject for v in train} & {v.subject for v in test}
  if both:
    raise text.fail(
      paths[1],
      None,
      f'subjects {", ".join(sorted(both))} are in {paths[0]} as well',
      'splits by subject; shared_subjects=True takes the lists as they are',
    )


def _csv(path: str) -> Iterator[tuple[int, str, str, str]]:
  expected = '<sample>_<subject>,frames,score'
  for lines, block in text.read_rows(path, (3,), expected):
    for line, (name, _, score) in zip(lines, block):
      sample, _, subject = name.rpartition('_')
      if not sample or not subject:
        raise text.fail(path, line, repr(name), expected)
      yield line, sample, subject, score


def _list(path: str) -> Iterator[tuple[int, str, str, str]]:
  with open(path, encoding='utf-8') as lines:
    for line, content in enumerate(lines, 1):
      fields = content.split()
      if not fields:
        continue
      if len(fields) != 4:
        problem = f'{len(fields)} columns'
        raise text.fail(path, line, problem, 'sample score frames subject')
      yield line, fields[0], fields[3], fields[1]
