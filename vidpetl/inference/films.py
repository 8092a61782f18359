"""Which films a command line means."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vidpetl.data import frames, names
from vidpetl.data.sources import videos
from vidpetl.inference import models


def listed(words: Sequence[str]) -> list[str]:
  """Returns the films of files and folders, each once, in a fixed order.

  Films are called as they are first named.

  A folder is searched at any depth; one of numbered frames is a film itself.

  Args:
    words: paths; a file is taken whatever its suffix is. The name of a model
      that vidpetl brings along means its film.

  Raises:
    ValueError: if there is no such file, or a folder without films.
  """
  found: dict[str, str] = {}
  take = lambda path: found.setdefault(os.path.abspath(path), path)
  for word in (models.find(word, models.FILM) for word in words):
    if not os.path.exists(word):
      raise ValueError(f'{names.shown(word)}: no such file or folder.')
    if not os.path.isdir(word):
      take(word)
      continue
    below = sorted(videos.look(word).clips)
    if not below:
      raise ValueError(
        f'{names.shown(word)}: no video in this folder; known suffixes are '
        f'{" ".join(videos.SUFFIXES)}, and folders of numbered '
        f'{" ".join(frames.SUFFIXES)}.'
      )
    for path in below:
      take(os.path.join(word, path) if path else word)
  return list(found.values())
