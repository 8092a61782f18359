"""What a writer is told of the run that it is of."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import re
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl import durable


@dataclasses.dataclass(frozen=True)
class About:
  """A run, to those who write of it.

  Attributes:
    workdir: of the run.
    config: of the run, as config.json holds it.
    sent: (step, tag) of each scalar that was written before, and may be written
      again, with the same value, as the run goes on from a step before it.
    resumed_at: step from which the run goes on; inf if it does not.
  """

  workdir: epath.Path
  config: Mapping[str, Any]
  sent: frozenset[tuple[int, str]] = frozenset()
  resumed_at: float = math.inf

  @property
  def name(self) -> str:
    """Of the run: where its folder is, '<config>/<arguments>' by default."""
    return '/'.join(self.workdir.expanduser().absolute().parts[-2:])

  @property
  def project(self) -> str:
    """Of runs that may be compared: those on the same tasks."""
    tasks = '+'.join(self.config.get('tasks', ()))
    return re.sub(r'[^\w+.-]', '_', f'vidpetl-{tasks}')[:100].rstrip('-')

  def new(self, step: int, scalars: Mapping[str, Any]) -> dict[str, float]:
    """Returns those scalars that were not written before."""
    return {
      tag: float(value)
      for tag, value in scalars.items()
      if (step, tag) not in self.sent
    }

  def anew(self) -> About:
    """Returns it for a service that knows nothing of the run yet."""
    return dataclasses.replace(self, sent=frozenset())

  def remembered(self, writer: str) -> str:
    """Returns under which id a service knows the run; '' if it does not."""
    path = self._id(writer)
    return path.read_text().strip() if path.exists() else ''

  def remember(self, writer: str, name: str) -> None:
    """Keeps the id under which a service knows the run."""
    durable.write(self._id(writer), f'{name}\n')

  def _id(self, writer: str) -> epath.Path:
    return self.workdir / f'{writer}.id'


def require(package: str) -> None:
  """Refuses to go on without a package, which is an extra of the same name.

  Raises:
    ValueError: with the command that installs it.
  """
  if importlib.util.find_spec(package) is None:
    raise ValueError(
      f'config.writers has {package!r}, whose package is missing: '
      f"pip install 'vidpetl[{package}]', or pip install -e '.[{package}]' in "
      'a clone.'
    )
