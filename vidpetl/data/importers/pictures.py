"""Which frame of which film a picture is, by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vidpetl.data.annotations import text
from vidpetl.data.importers import contract, parsing
from vidpetl.data.sources import videos

# What tools call pictures, whatever the film,
_WORDS = (
  *('', 'frame', 'frames', 'img', 'image', 'images', 'im', 'picture', 'thumb'),
  *('f', 'rgb'),
)
# and folders.
_GENERIC = (
  *(*_WORDS, '.', '..', 'imgs', 'img1', 'pictures', 'train', 'val', 'valid'),
  *('validation', 'test', 'labels', 'label', 'obj_train_data', 'data', 'out'),
  *('obj_valid_data', 'obj_test_data', 'jpegimages', 'annotations', 'output'),
  *('default', 'gt', 'det', 'tracks', 'export', 'via_project', 'instances'),
)
# 'film_mp4-12_jpg.rf.0a1b2c' of Roboflow is film.mp4's frame 12.
_ROBOFLOW = re.compile(r'_(?:jpe?g|png|bmp)\.rf\.\w+$')
_SUFFIX = re.compile(
  r'[._](?:' + '|'.join(s[1:] for s in videos.SUFFIXES) + ')$'
)
_NUMBER = re.compile(r'(.*?)(\d+)$')
_PICTURE = re.compile(
  r'\.(?:jpe?g|png|bmp|webp|tiff?|txt|json)$', re.IGNORECASE
)


def film(name: str) -> str:
  """Returns a film's name without folders and a video's suffix."""
  last = re.split(r'[/\\]', name)[-1]
  if videos.is_video(last):
    return last.rpartition('.')[0]
  return last


def candidates(paths: Sequence[str]) -> list[str]:
  """Returns names that may be a film's, leaving out those of any folder."""
  found = map(film, paths)
  return [name for name in found if name.casefold() not in _GENERIC]


def locate(
  name: str, reading: contract.Reading, where: str, more: Sequence[str] = ()
) -> contract.At:
  """Returns the film, and the number of the frame, that a picture's name says.

  'film/frame_000012.png', 'film_000012.jpg' and 'images/film_000012' are frame
  12 of the film. A film of which there is a video is preferred.

  Args:
    name: of the picture, with its folders.
    reading: that has the films.
    where: the name stands.
    more: what else may be the film's name.

  Raises:
    AnnotationError: if there is no number in the name.
  """
  if reading.options.pattern:
    return _by_pattern(name, reading, where)
  *folders, last = re.split(r'[/\\]', name.strip())
  stem = _ROBOFLOW.sub('', _PICTURE.sub('', last))
  match = _NUMBER.fullmatch(stem)
  if match is None:
    raise text.fail(
      where,
      None,
      f'the name {name!r} ends in no number of a frame',
      r"one, or --pattern='(?P<video>.+)_at_(?P<frame>\d+)' of such names",
    )
  prefix = _without_generic(match[1])
  names = candidates([prefix, *reversed(folders), *more])
  return contract.At(reading.film(names, where).name, int(match[2]))


def _without_generic(prefix: str) -> str:
  """Returns what stands before a number, without 'frame' or '.mp4' behind."""
  while True:
    prefix = prefix.rstrip('_-. ')
    shorter = _SUFFIX.sub('', prefix)
    head, _, word = re.sub('[-. ]', '_', shorter).rpartition('_')
    if word.casefold() in _WORDS:
      shorter = shorter[: len(head)]
    if shorter == prefix:
      return prefix
    prefix = shorter


def _by_pattern(
  name: str, reading: contract.Reading, where: str
) -> contract.At:
  """Returns what the user's pattern finds in a name."""
  match = re.search(reading.options.pattern, name)
  if match is None:
    problem = f'--pattern finds nothing in the name {name!r}'
    raise text.fail(where, None, problem, 'a pattern that fits all names')
  found = match.groupdict()
  names = candidates([found.get('video') or ''])
  frame = parsing.whole(found.get('frame') or '', where, "the pattern's frame")
  return contract.At(reading.film(names, where).name, frame)
