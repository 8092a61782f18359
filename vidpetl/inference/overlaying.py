"""Where films go that have their answers drawn in."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.inference import answer as answer_lib
from vidpetl.inference.overlay import film


class Places:
  """A file of each film, by its name."""

  def __init__(self, overlay: str, listed: Sequence[str]):
    """Takes a file for one film, or a folder for any number of them.

    Args:
      overlay: the file or folder.
      listed: paths of the films.

    Raises:
      ValueError: if several films would go to one file.
    """
    path = epath.Path(overlay)
    is_file = path.suffix.lower() in film.SUFFIXES
    if is_file and len(listed) > 1:
      raise ValueError(
        f'--overlay={overlay} is one file for {len(listed)} films; give a '
        'folder.'
      )
    self._of = {listed[0]: path} if is_file else _below(path, listed)

  def draw(self, source: str, answer: answer_lib.Answer) -> epath.Path:
    """Writes a film with its answer, and returns where it is."""
    out = self._of[source]
    out.parent.mkdir(parents=True, exist_ok=True)
    film.write(source, str(out), answer.painter())
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
