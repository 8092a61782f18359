"""MLflow: metrics, parameters, and pictures and texts as artifacts.

Its environment variables hold: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and
all others. A run that resumes goes on under the id that it left in
<workdir>/mlflow.id.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from etils import epy

from vidpetl.training import writers
from vidpetl.training.writers import about as about_lib
from vidpetl.training.writers import remote, scalars_only

with epy.lazy_imports():
  import mlflow
  from clu import metric_writers

# What names may not hold.
_UNNAMED = re.compile(r'[^\w\-./ ]')
# Of a parameter's value, in characters.
_LONGEST = 500


def check() -> None:
  """Refuses a machine without the package, or a store that it cannot open.

  A server is not asked for: it may come back.
  """
  about_lib.require('mlflow')
  try:
    mlflow.MlflowClient()
  except (mlflow.exceptions.MlflowException, ImportError) as error:
    uri = mlflow.get_tracking_uri()
    raise ValueError(
      f"config.writers has 'mlflow', which cannot write to {uri}: name a "
      'server by MLFLOW_TRACKING_URI=http://…; or, for a database in a file, '
      f'pip install mlflow. Its error: {error}'
    ) from None


def build(about: about_lib.About) -> metric_writers.MetricWriter:
  """Returns the writer of a run."""
  return remote.Remote('mlflow', functools.partial(MLflow, about))


class MLflow(scalars_only.ScalarsOnly):
  """Writes to a run of MLflow."""

  def __init__(self, about: about_lib.About):
    """Begins the run, or goes on with it."""
    self._about = about
    # Its own patience would hold up the end of a run; `Remote` has some.
    os.environ.setdefault('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '1')
    self._client = mlflow.MlflowClient()
    self._status = 'KILLED'
    self._id = about.remembered('mlflow')
    if not self._goes_on():
      self._about = about.anew()
      name = os.environ.get('MLFLOW_RUN_NAME', about.name)
      run = self._client.create_run(self._experiment(), run_name=name)
      self._id = run.info.run_id
      about.remember('mlflow', self._id)

  def _goes_on(self) -> bool:
    """Returns whether the store has the run, which then goes on."""
    if not self._id:
      return False
    try:
      self._client.update_run(self._id, status='RUNNING')
      return True
    except mlflow.exceptions.MlflowException as error:
      # It was deleted, or is in another store.
      if error.error_code == 'RESOURCE_DOES_NOT_EXIST':
        return False
      raise

  def _experiment(self) -> str:
    """Returns the id of the experiment, which is made if there is none."""
    if chosen := os.environ.get('MLFLOW_EXPERIMENT_ID'):
      return chosen
    name = os.environ.get('MLFLOW_EXPERIMENT_NAME', self._about.project)
    found = self._client.get_experiment_by_name(name)
    if found:
      return found.experiment_id
    return self._client.create_experiment(name)

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    now = int(time.time() * 1000)
    new = self._about.new(step, scalars).items()
    self._client.log_batch(
      self._id,
      metrics=[
        mlflow.entities.Metric(_placed(tag), value, now, step)
        for tag, value in new
      ],
    )
    if any(map(writers.is_reported, scalars)):
      self._status = 'FINISHED'

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    """Writes parameters; what was another before is a tag 'now.<name>'.

    MLflow lets no parameter change, and a run may be given more epochs.
    """
    before = self._client.get_run(self._id).data.params
    given = {_named(k): str(v)[:_LONGEST] for k, v in hparams.items()}
    new = {k: v for k, v in given.items() if k not in before}
    other = {k: v for k, v in given.items() if before.get(k, v) != v}
    self._client.log_batch(
      self._id,
      params=[mlflow.entities.Param(k, v) for k, v in new.items()],
      tags=[mlflow.entities.RunTag(f'now.{k}', v) for k, v in other.items()],
    )

  def write_images(self, step: int, images: Mapping[str, Any]) -> None:
    for tag, pictures in images.items():
      for i, picture in enumerate(pictures):
        stem = f'pictures/{_named(tag)}.{step}' + f'.{i}' * bool(i)
        self._client.log_image(self._id, picture, artifact_file=f'{stem}.png')

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    for tag, text in texts.items():
      file = f'texts/{_named(tag)}.{step}.md'
      self._client.log_text(self._id, text, file)

  def close(self) -> None:
    self._client.set_terminated(self._id, self._status)


def _placed(tag: str) -> str:
  """Returns a metric's name; 'run/<tag>' of a tag in no group.

  A store of files has 'learning_rate/all' in a folder, beside which there can
  be no file 'learning_rate'.
  """
  return _named(tag if '/' in tag else f'run/{tag}')


def _named(tag: str) -> str:
  return _UNNAMED.sub('_', tag)
