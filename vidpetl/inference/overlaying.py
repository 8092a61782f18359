"""Where films go that have their answers drawn in."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.data import names
from vidpetl.data.sources import videos
from vidpetl.inference import answer as answer_lib
from vidpetl.inference.overlay import containers
from vidpetl.inference.overlay import film as film_lib


class Places:
  """A file of each film, by its name."""

  def __init__(self, overlay: str, listed: Sequence[str]):
    """Takes a file for one film, or a folder for any number of them.

    Args:
      overlay: the file or folder.
      listed: paths of the films.

    Raises:
      ValueError: if several films would go to one file, or one of them would be
        written over; for a file of a kind that films are not written to.
    """
    path = epath.Path(overlay)
    is_file = path.suffix.lower() in videos.SUFFIXES and not path.is_dir()
    if is_file:
      containers.of(path)
    if is_file and len(listed) > 1:
      raise ValueError(
        f'--overlay={overlay} is one file for {len(listed)} films; give a '
        'folder.'
      )
    self._of = {listed[0]: path} if is_file else _below(path, listed)
    films = {epath.Path(film).resolve() for film in listed}
    for film, out in self._of.items():
      if out.resolve() in films:
        raise ValueError(
          f'--overlay={overlay}: the answer of {names.shown(film)} would be '
          f'written over the film {out}; give another folder or file.'
        )

  def draw(
    self, source: str, answer: answer_lib.Answer, fps: float | None
  ) -> epath.Path:
    """Writes a film with its answer, and returns where it is.

    Args:
      source: path of the film.
      answer: what is said of it.
      fps: of a folder of frames, as it was when it was asked.

    Raises:
      decode.DecodeError: if the film is damaged where nothing was asked.
      OSError: if it cannot be written.
    """
    out = self._of[source]
    film_lib.write(source, str(out), answer.painter(), fps)
    return out


def _below(folder: epath.Path, listed: Sequence[str]) -> dict[str, epath.Path]:
  """Returns path of a film -> its file; films of one name are numbered."""
  found: dict[str, epath.Path] = {}
  taken: set[str] = set()
  for path in listed:
    stem = epath.Path(path).stem
    name, number = stem, 1
    while name in taken:
      number += 1
      name = f'{stem}_{number}'
    taken.add(name)
    found[path] = folder / f'{name}.mp4'
  return found
