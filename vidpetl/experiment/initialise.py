"""Starting from other parameters: strict, never confused with resuming."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import labels as labels_lib
from vidpetl.experiment import probed, provenance, published, unlike
from vidpetl.parameters import package, storage, variables
from vidpetl.recipes import presets
from vidpetl.weights import family as family_lib
from vidpetl.weights import fit, importing
from vidpetl.weights import report as report_lib


@dataclasses.dataclass(frozen=True)
class Started:
  """Parameters to start from, and where they come from.

  Attributes:
    variables: of linen.
    origin: in a sentence.
    notes: what a user should know of them.
    report: what became of every array of `config.init.path`; None without.
  """

  variables: Any
  origin: str
  notes: tuple[str, ...] = ()
  report: report_lib.Report | None = None


def start(
  fresh: Any, experiment: experiment_lib.Experiment, evaluation: bool = False
) -> Started:
  """Replaces fresh variables by what `config.init` names.

  Args:
    fresh: linen variables, as drawn.
    experiment: that starts.
    evaluation: whether it is evaluated as it starts. A head is taken then
      where there is one, and refused where nothing has trained it.

  Raises:
    ValueError: for what does not fit, and for a head that nothing has trained.
  """
  config = experiment.config
  origin = f'random parameters, seed {config.seed}'
  notes, report, drawn = (), None, set(variables.flatten(fresh))
  if config.init.path:
    fresh, origin, report = load(
      fresh, config.init, experiment, evaluation=evaluation
    )
    drawn = {row.ours for row in report.rows if row.status == 'new'}
  if config.init.adapter:
    fresh, more, notes, taken = load_adapter(
      fresh, config.init.adapter, experiment, evaluation=evaluation
    )
    origin = f'{origin}; {more}'
    drawn -= taken
  if evaluation:
    _refuse_untrained(drawn, config, origin)
  return Started(fresh, origin, tuple(notes), report)


def _refuse_untrained(drawn: set[str], config: Any, origin: str) -> None:
  """Refuses to evaluate heads whose parameters are as they were drawn.

  Raises:
    ValueError: naming them, and the ways out.
  """
  tested = [name for name, task in config.tasks.items() if task.get('eval')]
  found = [name for name in tested if name in published.heads(drawn)]
  if not found:
    return
  name = found[0]
  raise ValueError(
    "config.eval_checkpoint is 'none', and nothing has trained the head of "
    f'{", ".join(found)}: the run starts from {origin}. Let config.init.path '
    f'or config.init.adapter hold heads_{name} (`vidpetl convert '
    f'--head={name} --labels=FILE` takes along that of a published file), or '
    'train first.'
  )


def load(
  fresh: Any,
  config: Any,
  experiment: experiment_lib.Experiment,
  *,
  evaluation: bool = False,
) -> tuple[Any, str, report_lib.Report]:
  """Replaces fresh variables by those of `config.init.path`.

  Args:
    fresh: linen variables: parameters and, of a backbone with BatchNorm,
      statistics, which are named 'batch_stats/<path>' here.
    config: `config.init`; see `recipes.defaults`.
    experiment: that starts.
    evaluation: whether heads are taken that `config.skip` names.

  Returns:
    The variables; a sentence that says where they come from; what became of
    each array.

  Raises:
    ValueError: with every difference that `skip` does not name; for a head of
      other labels than the data's.
  """
  have, said = _read(config, experiment)
  keep = tuple(
    f'heads_{name}/'
    for name in published.heads(have)
    if evaluation and name in experiment.tasks
  )
  skip = _skipped(config, said, experiment)
  is_taken = lambda name: not fit.is_skipped(name, skip, keep)
  have, notes = _label_heads(
    have, said, experiment, config.path, [n for n in have if is_taken(n)]
  )
  want = variables.flatten(fresh)
  report = report_lib.Report(f'{config.path} into this model')
  taken = fit.fit(
    have,
    {name: leaf.shape for name, leaf in want.items()},
    fit.Geometry(
      tuple(config.grid or said.get('grid', ())),
      tuple(config.window or said.get('window', ())),
      said.get('positions') or _rule(experiment.config.backbone),
    ),
    provenance.geometry(experiment),
    report,
    skip=skip,
    keep=keep,
    fresh=said.get('fresh', ()),
    inflate=config.inflate or said.get('inflate', ''),
  )
  _require_fit(report, said, experiment)
  report.notes += filter(None, [said.get('note'), *notes])
  report.notes += unlike.notes(experiment, said, bool(published.heads(have)))
  new = sorted(set(want) - set(taken))
  taken = {
    path: _placed(value, want[path].dtype) for path, value in taken.items()
  }
  resized = sum(row.status == 'resized' for row in report.rows)
  origin = (
    f'{len(taken)} arrays of {config.path}, {len(new)} new{_few(new)}, '
    f'{resized} resized'
  )
  return variables.unflatten(want | taken), origin, report


def _placed(array: np.ndarray, dtype: Any) -> jax.Array:
  """Puts an array on the device, which half precision reaches as it is."""
  if array.dtype.itemsize < np.dtype(dtype).itemsize:
    return jax.device_put(array).astype(dtype)
  # On a CPU it may stay this array, which may be a mapped file's: a copy.
  return jax.device_put(array.astype(dtype))


def _skipped(
  config: Any,
  said: Mapping[str, Any],
  experiment: experiment_lib.Experiment,
) -> tuple[str, ...]:
  """Returns `config.skip`, without techniques where the file has those here."""
  places = lambda entries: {(e['site'], e['technique']) for e in entries}
  same = places(said.get('petl', ())) == places(experiment.config.petl)
  skip = tuple(config.skip)
  if said.get('petl') and same:
    return tuple(pattern for pattern in skip if pattern != '/site_')
  return skip


def _require_fit(
  report: report_lib.Report,
  said: Mapping[str, Any],
  experiment: experiment_lib.Experiment,
) -> None:
  """Raises ValueError for arrays that are missing, unexpected or too large."""
  if not report.wrong:
    return
  theirs = ''
  if 'backbone' in said:
    theirs = (
      f'\nIt is for config.backbone = {said["backbone"]}; here that is '
      f'{experiment.config.backbone.to_dict()}.'
    )
  raise ValueError(
    f'config.init.path does not fit. {report.short()}{theirs}\nName in '
    'config.init.skip what is meant to stay as it is drawn, or to be left '
    'out.'
  )


def _label_heads(
  have: Mapping[str, np.ndarray],
  said: Mapping[str, Any],
  experiment: experiment_lib.Experiment,
  source: str,
  taken: list[str],
) -> tuple[Mapping[str, np.ndarray], list[str]]:
  """Holds the labels of heads that are taken against those of the data.

  Args:
    have: arrays by name.
    said: what is known of them.
    experiment: that starts.
    source: of the arrays.
    taken: names of those that the model is to take.

  Returns:
    The arrays, outputs in the order of the data; a note for each head.

  Raises:
    ValueError: for a head of other labels.
  """
  notes = []
  for task in published.heads(taken):
    if task not in experiment.tasks:
      continue
    wanted = said.get('probes', {}).get(task)
    probe = experiment.config.tasks[task].get('probe') or {}
    probed.require(wanted, probe, task, source)
    theirs = labels_lib.of_json(said.get('labels', {}).get(task))
    ours = experiment.labels.get(task, {})
    try:
      match = labels_lib.compare(theirs, ours, task, source)
    except labels_lib.OtherLabelsError as error:
      raise ValueError(
        f'{error} Training on these data starts with config.init.skip='
        f"('^heads_{task}/',), which leaves the head as it is drawn."
      ) from None
    have = labels_lib.arrange(have, task, match.order)
    notes.append(match.note)
  return have, notes


def _rule(fields: Mapping[str, Any]) -> str:
  """Returns how tables of a backbone are resized where no file says it."""
  try:
    preset = presets.like(fields)
  except ValueError:  # One's own, which nobody has resized before.
    return 'linear'
  return family_lib.load(preset.family).positions


def _read(
  config: Any, experiment: experiment_lib.Experiment
) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
  """Returns arrays by name, and what is known of them."""
  said = provenance.read(config.path)
  if config.family and not said:
    imported = importing.load(
      config.family,
      config.path,
      target=experiment.config.backbone.name,
      entry=config.entry,
      grid=config.grid,
      expected=vars(provenance.plain_backbone(experiment)),
    )
    said = published.describe(config.family, config.path, imported)
    told = (*imported.report.notes, said['note'])
    return imported.arrays, {**said, 'note': '\n'.join(filter(None, told))}
  return storage.load_arrays(config.path), said


def _few(names: list[str]) -> str:
  """Returns the last of some names; heads are among them."""
  if not names:
    return ''
  more = len(names) - 2
  shown = ', '.join(names[-2:])
  return f' ({shown} and {more} more)' if more > 0 else f' ({shown})'


def load_adapter(
  fresh: Any,
  folder: str,
  experiment: experiment_lib.Experiment,
  *,
  evaluation: bool = False,
) -> tuple[Any, str, list[str], set[str]]:
  """Puts a package on the backbone that it is for.

  Args:
    fresh: linen variables of the whole model; the backbone's parameters are
      what is checked.
    folder: of the package, `config.init.adapter`.
    experiment: that starts.
    evaluation: whether a head of other labels is an error. In training it is
      left as it is drawn.

  Returns:
    The variables; a sentence that says what the package gave; notes; the names
    of what it gave.

  Raises:
    package.PackageError: if it is damaged, or for another backbone.
    ValueError: if other techniques are bound here than in the package; for a
      head of other labels.
  """
  want = variables.flatten(fresh)
  packed = package.load(folder)
  package.attach(packed, {k: np.asarray(v) for k, v in want.items()})
  params, notes = _packed_heads(packed, experiment, folder, evaluation)
  site = lambda path: '/site_' in path
  missing = sorted(p for p in filter(site, want) if p not in params)
  if not evaluation:
    missing, more = _on_top(missing, params, folder)
    notes = [*notes, *more]
  unexpected = sorted(p for p in filter(site, params) if p not in want)
  taken = {p: v for p, v in params.items() if p in want}
  wrong = [p for p, v in taken.items() if v.shape != want[p].shape]
  if missing or unexpected or wrong:
    raise ValueError(
      f'config.init.adapter {folder} does not fit config.petl. Missing: '
      f'{missing}. Unexpected: {unexpected}. Other shapes: {wrong}.'
    )
  left = sorted(p for p in packed.params if p not in taken)
  taken = {p: jax.device_put(v) for p, v in taken.items()}
  said = f'{len(taken)} arrays of {folder}'
  said += f', without its {left}' if left else ''
  return variables.unflatten(want | taken), said, notes, set(taken)


def _on_top(
  missing: list[str], params: Mapping[str, np.ndarray], folder: str
) -> tuple[list[str], list[str]]:
  """Returns what a package lacks of its own techniques, and a note on others.

  A technique whose name at its site is nowhere in the package is new, and
  starts fresh on top of what the package holds.
  """
  bound = lambda path: tuple(path.partition('/site_')[2].split('/')[:2])
  own = {bound(path) for path in params if '/site_' in path}
  new = {bound(path) for path in missing} - own
  found = ', '.join(sorted('site_' + '/'.join(names) for names in new))
  notes = [f'note: {found} start fresh, on top of {folder}'] if new else []
  return [path for path in missing if bound(path) not in new], notes


def _packed_heads(
  packed: package.Package,
  experiment: experiment_lib.Experiment,
  folder: str,
  evaluation: bool,
) -> tuple[Mapping[str, np.ndarray], list[str]]:
  """Returns a package's arrays with the heads of these data, and notes."""
  params, notes = packed.params, []
  for task in published.heads(params):
    if not (ours := experiment.labels.get(task, {})):
      continue
    known = packed.config['tasks'].get(task, {}).get('labels')
    theirs = labels_lib.of_json(known)
    try:
      match = labels_lib.compare(theirs, ours, task, folder)
    except labels_lib.OtherLabelsError as error:
      if evaluation:
        raise
      notes.append(f'note: {error} It stays as it is drawn.')
      top = f'heads_{task}/'
      params = {
        name: array
        for name, array in params.items()
        if not name.removeprefix('batch_stats/').startswith(top)
      }
      continue
    params = labels_lib.arrange(params, task, match.order)
    notes += filter(None, [match.note])
  return params, notes
