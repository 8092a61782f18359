"""Models that vidpetl brings along, by name."""

from __future__ import annotations

from etils import epath

_FOLDER = epath.Path(__file__).parent.parent / 'models'


def names() -> list[str]:
  """Returns the names of the models that are there."""
  if not _FOLDER.exists():
    return []
  return sorted(
    path.name for path in _FOLDER.iterdir() if (path / 'model.json').exists()
  )


def find(run: str) -> str:
  """Returns the folder of a run, or of a model that vidpetl brings along.

  Args:
    run: a path; or a name, if no folder here is called so.
  """
  if run in names() and not epath.Path(run).exists():
    return str(_FOLDER / run)
  return run
