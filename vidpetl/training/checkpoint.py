"""Saving and resuming a run: orbax, asynchronous, latest and best.

A checkpoint holds what changes. Frozen parameters are written to none of them;
their hash is, so that a resumed run cannot continue on other ones.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import safetensors.numpy
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy

from vidpetl.petl import variables
from vidpetl.training import state as state_lib

SUFFIX = '.safetensors'

# As safetensors calls them.
_DTYPES = {
  'float64': 'F64',
  'float32': 'F32',
  'float16': 'F16',
  'bfloat16': 'BF16',
  'int64': 'I64',
  'int32': 'I32',
  'uint32': 'U32',
  'int8': 'I8',
  'uint8': 'U8',
  'bool': 'BOOL',
}

_CHANGING = ('step', 'params', 'batch_stats', 'opt_state', 'task_state')


class Checkpoints:
  """The checkpoints of one working directory."""

  def __init__(self, workdir: str, keep: int = 2, best: str = ''):
    """Opens, or makes, `workdir`/checkpoints.

    Args:
      workdir: of the run.
      keep: how many of the latest to keep.
      best: scalar whose highest value keeps its checkpoint too, e.g.
        'ava/mAP'; '' for none.
    """
    self.folder = epath.Path(workdir).absolute() / 'checkpoints'
    policies = [preservation_policy.LatestN(keep)]
    score = None
    if best:
      score = lambda metrics: metrics[best]
      policies.append(
        preservation_policy.BestN(
          get_metric_fn=score,
          n=1,
          keep_checkpoints_without_metrics=False,
        )
      )
    self._best = best
    self._manager = ocp.CheckpointManager(
      self.folder,
      options=ocp.CheckpointManagerOptions(
        best_fn=score,
        preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
        cleanup_tmp_directories=True,
      ),
    )

  def latest(self) -> int | None:
    return self._manager.latest_step()

  def best(self) -> int | None:
    """Step of the highest `best` scalar among the checkpoints there are."""
    scores = {
      step: metrics[self._best]
      for step in self._manager.all_steps()
      if (metrics := self._manager.metrics(step)) and self._best in metrics
    }
    return max(scores, key=scores.get) if scores else None

  def metrics(self, step: int) -> dict[str, float]:
    """Returns what was measured at `step`, {} if nothing was."""
    return dict(self._manager.metrics(step) or {})

  def save(
    self,
    state: state_lib.TrainState,
    step: int,
    meta: Mapping[str, Any],
    metrics: Mapping[str, float] | None = None,
  ) -> None:
    """Starts saving; does nothing if this step is saved already."""
    if step == self.latest():
      return
    tree = {name: getattr(state, name) for name in _CHANGING}
    saved = self._manager.save(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(tree), meta=ocp.args.JsonSave(dict(meta))
      ),
      metrics=None if metrics is None else dict(metrics),
    )
    if not saved:
      raise RuntimeError(f'Checkpoint {step} was refused in {self.folder}.')

  def meta(self, step: int) -> dict[str, Any]:
    """Returns what was saved beside the state of `step`."""
    args = ocp.args.Composite(meta=ocp.args.JsonRestore())
    return self._manager.restore(step, args=args).meta

  def restore(
    self, step: int, state: state_lib.TrainState
  ) -> state_lib.TrainState:
    """Returns `state` with what changes replaced by that of `step`.

    Arrays come back on the shardings that `state` has, whichever topology they
    were saved from.
    """
    tree = {name: getattr(state, name) for name in _CHANGING}
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)
    args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
    restored = self._manager.restore(step, args=args).state
    return state.replace(**restored)

  def wait(self) -> None:
    self._manager.wait_until_finished()

  def close(self) -> None:
    """Finishes what is being saved."""
    self._manager.close()


def load_arrays(path: str) -> dict[str, np.ndarray]:
  """Returns all of another run's model, named as by `petl.variables`.

  Args:
    path: a working directory (its latest checkpoint), one checkpoint of it:
      '<workdir>/checkpoints/<step>', or a file of `save_arrays`.

  Raises:
    ValueError: if there is no checkpoint, or it froze parameters that it
      does not hold.
  """
  if path.endswith(SUFFIX):
    if not epath.Path(path).exists():
      raise ValueError(f'config.init.path {path!r}: no such file.')
    # What is mapped would be in memory beside what is read from it.
    return safetensors.numpy.load_file(path, backend='pread')
  folder = epath.Path(path).absolute()
  if (folder / 'checkpoints').exists():
    steps = [p for p in (folder / 'checkpoints').iterdir() if p.name.isdigit()]
    if steps:
      folder = max(steps, key=lambda p: int(p.name))
  if not (folder / 'state').exists():
    raise ValueError(
      f'config.init.path {path!r} is neither a working directory with '
      f'checkpoints, nor one of its checkpoints, nor a {SUFFIX} file.'
    )
  meta = json.loads((folder / 'meta' / 'metadata').read_text())
  if meta['frozen']:
    raise ValueError(
      f'{folder} trained on top of frozen parameters, which it does not hold: '
      'let config.init.path be what it started from, and config.init.adapter '
      "the folder 'adapter' that it wrote."
    )
  handler = ocp.PyTreeCheckpointHandler()
  with ocp.Checkpointer(handler) as checkpointer:
    shapes = checkpointer.metadata(folder / 'state').item_metadata.tree
    as_numpy = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes
    )
    tree = checkpointer.restore(
      folder / 'state',
      args=ocp.args.PyTreeRestore(item=shapes, restore_args=as_numpy),
    )
  return variables.flatten(tree)


def save_arrays(
  path: str,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes arrays by name, a model's by `petl.variables`, to safetensors."""
  if not path.endswith(SUFFIX):
    raise ValueError(f'{path!r} should end in {SUFFIX}')
  unfinished = path + '.unfinished'
  _write({k: np.asarray(v) for k, v in arrays.items()}, unfinished, metadata)
  os.replace(unfinished, path)


def _write(arrays, path, metadata) -> None:
  """Writes a safetensors file array by array.

  The library's own function wants all of them contiguous at once: a second copy
  of a model whose arrays are views of another's.
  """
  header = {'__metadata__': dict(metadata)} if metadata else {}
  # The widest types first, by which all arrays are aligned.
  order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
  end = 0
  for name in order:
    array, start = arrays[name], end
    end += array.nbytes
    header[name] = {
      'dtype': _DTYPES[array.dtype.name],
      'shape': array.shape,
      'data_offsets': (start, end),
    }
  said = json.dumps(header).encode()
  said += b' ' * (-len(said) % 8)
  with open(path, 'wb') as file:
    file.write(len(said).to_bytes(8, 'little') + said)
    for name in order:
      flat = np.ascontiguousarray(arrays[name]).reshape(-1)
      file.write(flat.view(np.uint8))


def to_host(tree: Any) -> Any:
  """Returns a tree's arrays as numpy's, whole; all processes must call it."""

  def whole(leaf):
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
      leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)

  return jax.tree.map(whole, tree)


def tree_hash(tree: Any) -> str:
  """Returns a hash of all leaves with their paths, '' for an empty tree."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  if not leaves:
    return ''
  digest = hashlib.sha256()
  for path, leaf in leaves:
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(to_host(leaf).tobytes())
  return digest.hexdigest()


def check_same_run(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
  """Refuses to resume what would be another run.

  Args:
    saved: the checkpoint's meta.
    now: that of the run which wants to go on.

  Raises:
    ValueError: naming what differs.
  """
  differs = [
    f'{key}: {saved.get(key)!r} then, {value!r} now'
    for key, value in now.items()
    if saved.get(key) != value
  ]
  if differs:
    raise ValueError(
      'The working directory holds a run that these settings cannot continue ('
      + '; '.join(differs)
      + '). Use another --workdir, or the settings that it was started with.'
    )
