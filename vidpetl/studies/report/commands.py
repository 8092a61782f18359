"""The commands that made a run, and those that go on from it."""

from __future__ import annotations

import shlex

from vidpetl import markup
from vidpetl.studies.recorded import Recorded


def commands(run: Recorded) -> list[str]:
  """Returns how a run is repeated, used and looked into."""
  workdir = shlex.quote(str(run.workdir))
  parts = ['<h3>Repeat</h3>']
  if run.command:
    parts.append(_command(run.command))
  else:
    parts.append(
      '<p class="dim">The command was not recorded; config.json has every '
      'field of the run.</p>'
    )
  for title, text in (
    ('Predict films', f'vidpetl predict --run={workdir} film.mp4'),
    ('Make this page again', f'vidpetl report {workdir}'),
    ('Follow curves', f'tensorboard --logdir {workdir}'),
  ):
    parts += [f'<h3>{title}</h3>', _command(text)]
  return parts


def _command(text: str) -> str:
  return f'<pre class="command">{markup.text(text)}</pre>'
