"""Weights & Biases: curves, pictures, texts, and the whole config.

Its environment variables hold: WANDB_MODE, WANDB_PROJECT, WANDB_NAME,
WANDB_DIR, WANDB_RUN_ID and all others. A run that resumes goes on under the id
that it left in <workdir>/wandb.id.
"""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Mapping
from typing import Any

from etils import epy

from vidpetl import mistakes
from vidpetl.training import writers
from vidpetl.training.writers import about as about_lib
from vidpetl.training.writers import remote, scalars_only

with epy.lazy_imports():
  import wandb
  from clu import metric_writers

# A run's own axis: wandb's counts writes, and takes no step twice.
STEP = 'step'


def check() -> None:
  """Refuses a machine without the package."""
  about_lib.require('wandb')


def build(about: about_lib.About) -> metric_writers.MetricWriter:
  """Returns the writer of a run."""
  return remote.Remote('wandb', functools.partial(Wandb, about))


class Wandb(scalars_only.ScalarsOnly):
  """Writes to a run of Weights & Biases; texts are pages in a fixed font."""

  def __init__(self, about: about_lib.About):
    """Begins the run, or goes on with it.

    Without a login, or if the service cannot be reached, its files stay on this
    machine; wandb sends them later.
    """
    known = about.remembered('wandb')
    self._about = about if known else about.anew()
    self._finished = False
    given = _unless_set(
      WANDB_PROJECT=('project', about.project),
      WANDB_NAME=('name', about.name),
      WANDB_DIR=('dir', os.fspath(about.workdir)),
      WANDB_RUN_ID=('id', known or None),
      WANDB_RESUME=('resume', 'allow'),
    )
    begin = functools.partial(
      wandb.init,
      **given,
      config=dict(about.config),
      allow_val_change=True,
      # The terminal is that of the run.
      settings=wandb.Settings(console='off', silent=True),
    )
    self._run = _online(begin) or begin(mode='offline')
    self._run.define_metric(STEP)
    self._run.define_metric('*', step_metric=STEP)
    about.remember('wandb', self._run.id)
    if self._run.offline:
      folder = self._run.settings.sync_dir
      mistakes.note(f'wandb: offline; to send it: wandb sync {folder}')
    else:
      mistakes.note(f'wandb: {self._run.url}')

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    if new := self._about.new(step, scalars):
      self._run.log({STEP: step, **new})
    self._finished |= any(map(writers.is_reported, scalars))

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    self._run.config.update({'hparams': dict(hparams)}, allow_val_change=True)

  def write_images(self, step: int, images: Mapping[str, Any]) -> None:
    shown = {
      tag: [wandb.Image(picture) for picture in pictures]
      for tag, pictures in images.items()
    }
    self._run.log({STEP: step, **shown})

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    pages = {
      f'texts/{tag}': wandb.Html(f'<pre>{html.escape(text.strip("`"))}</pre>')
      for tag, text in texts.items()
    }
    self._run.log({STEP: step, **pages})

  def close(self) -> None:
    self._run.finish(exit_code=0 if self._finished else 1)


def _unless_set(**given: tuple[str, Any]) -> dict[str, Any]:
  """Returns argument -> value of those whose variable is not set."""
  return {
    argument: value
    for variable, (argument, value) in given.items()
    if not os.environ.get(variable)
  }


def _online(begin: Any) -> Any:
  """Returns the run as the environment wants it; None if it cannot be had."""
  if os.environ.get('WANDB_MODE', 'online') != 'online':
    return begin()
  # Who is asked for a key in the midst of a run does not see it.
  if not wandb.login(prompt=False):
    reason = 'nobody is logged in (wandb login)'
  else:
    try:
      return begin()
    except wandb.errors.Error as error:
      reason = str(error).strip().partition('\n')[0]
  mistakes.note(f'wandb: {reason}; what it is told stays on this machine.')
  return None
