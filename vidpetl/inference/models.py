"""Models that vidpetl brings along, each with a film to try it on.

They are called 'demo:clips' and the like, as no file is.
"""

from __future__ import annotations

from etils import epath

FOLDER = epath.Path(__file__).parent.parent / 'models'
FILM, BOXES = 'film.mp4', 'boxes.csv'
_PREFIX = 'demo:'


def names() -> list[str]:
  """Returns the names of the models that are there."""
  folders = FOLDER.iterdir() if FOLDER.exists() else ()
  return sorted(
    _PREFIX + path.name for path in folders if (path / 'model.json').exists()
  )


def find(path: str, file: str = '') -> str:
  """Returns the folder of such a model, or a file in it.

  Args:
    path: a name, or any path, which stays as it is.
    file: `FILM` or `BOXES`; '' is the folder.

  Raises:
    ValueError: if there is no such model, with those there are.
  """
  if not path.startswith(_PREFIX):
    return path
  if path not in names():
    raise ValueError(
      f'{path}: no model that vidpetl brings along; there are: '
      f'{", ".join(names())}.'
    )
  return str(FOLDER / path.removeprefix(_PREFIX) / file)
