"""What a run is, before it runs: recipe, parameters, sites, FLOPs, bytes.

  python -m vidpetl.describe --config=configs/cofinetune_ava.py [--json=FILE]
  python -m vidpetl.describe --config=… --compile=v5e-16

Needs neither data nor weights, and allocates nothing. --compile asks the
compiler of TPUs what the run's own step is on a slice, without one: memory of
a chip by part, FLOPs, collectives, and whether it fits. Minutes; needs
pip install "vidpetl[tpu]". --compile=h100 asks that of GPUs, for one of them,
and --compile=h100-8 for eight of a host; pip install "vidpetl[cuda]".
--compile=cpu-8 compiles for eight devices of this CPU, and needs nothing.
"""

from __future__ import annotations

import collections
import functools
import json
import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from absl import app, flags, logging
from etils import epy

from vidpetl import bounded, cli, durable, ranges, tables
from vidpetl.data import examples
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  import jax

  from vidpetl.backbones import devices as devices_lib
  from vidpetl.experiment import complete, configure, stacking
  from vidpetl.experiment import experiment as experiment_lib
  from vidpetl.parameters import trainable
  from vidpetl.petl import adapted
  from vidpetl.studies import flops, in_words, memory
  from vidpetl.studies.planning import cards
  from vidpetl.studies.pods import asking, topologies
  from vidpetl.training import step as step_lib


def describe(
  config: Any, devices: int = 1, meant: Any = None
) -> dict[str, Any]:
  """Returns everything that the tables show.

  Args:
    config: of the run.
    devices: that share the batch and, along the 'fsdp' axis, the parameters.
    meant: one of them, whose memory it is; that which is here by default.

  Raises:
    ValueError: naming the config field that cannot work.
  """
  config = complete.complete(config)
  stacking.require(config)
  # Classes and examples are counted in data that are opened once.
  opened = functools.cache(
    functools.partial(experiment_lib.open_training, config)
  )
  infos = experiment_lib.infos(config, opened)
  experiment = experiment_lib.build(config, infos)
  tx, _ = experiment.optimizer(epoch=100.0, total=10_000)
  state = jax.eval_shape(
    functools.partial(experiment.init_state, tx=tx), jax.random.key(0)
  )
  with devices_lib.meant(meant):
    size = memory.parts(config, experiment, infos, state, tx, devices)
  return {
    'recipe': in_words.recipe(config, _examples(config, opened)),
    'params': parameters(experiment),
    'sites': _sites(experiment),
    'flops': _flops(config, infos, experiment, state, tx),
    'bytes': size,
    'devices': devices,
  }


def _examples(
  config: Any, opened: Callable[[str], examples.Source]
) -> int | None:
  """Returns how many examples there are to train on; None without the data."""
  try:
    return sum(len(opened(name)) for name in config.tasks)
  except (OSError, ValueError):
    return None


def parameters(experiment: experiment_lib.Experiment) -> dict[str, Any]:
  """Returns how many parameters there are, where, and how many train."""
  modules, groups = collections.Counter(), collections.Counter()
  heads = total = 0
  for path, leaf in trainable.flatten(experiment.variables['params']).items():
    size = math.prod(leaf.shape)
    modules['/'.join(path.split('/')[:2])] += size
    groups[experiment.group_of[path]] += size
    heads += size if path.startswith('heads_') else 0
    total += size
  frozen = groups[trainable.FROZEN]
  return {
    'total': total,
    'trained': total - frozen,
    'frozen': frozen,
    'heads': heads,
    'groups': dict(groups),
    'modules': dict(modules),
  }


def _sites(experiment: experiment_lib.Experiment) -> list[dict[str, Any]]:
  """Sites of the backbone, alike ones together."""
  task = next(iter(experiment.tasks.values()))
  video = experiment_lib.encoded_clip(task, experiment.dtype)
  found: dict[Any, list[str]] = {}
  for place in adapted.sites(experiment.model.backbone, video, train=False):
    key = place.name, _shape(place.value), place.techniques
    found.setdefault(key, []).append(place.path)
  return [
    {'site': name, 'value': value, 'bound': list(bound), 'paths': paths}
    for (name, value, bound), paths in found.items()
  ]


def _shape(value: Any) -> str:
  """Returns what is edited: '(1, 8, 196, 768)', or '3 x (…)' of several."""
  if not isinstance(value[0], tuple):
    return str(value)
  counts = collections.Counter(value)
  return ', '.join(f'{n} x {shape}' for shape, n in counts.items())


def _flops(config, infos, experiment, state, tx) -> dict[str, Any]:
  """FLOPs as XLA counts them before optimising, recomputation included."""
  tasks, forward = {}, flops.of_experiment(experiment)
  for name, task in experiment.tasks.items():
    update = functools.partial(
      step_lib.train_step,
      model=experiment.model,
      task=task,
      tx=tx,
      seed=0,
    )
    batch = memory.batch_of(infos[name], task, config.batch_size)
    step = jax.jit(update).lower(state, batch)
    tasks[name] = {
      'forward': forward[name],
      'step': step.cost_analysis()['flops'],
      'views': task.eval_clip.views,
      'test_macs': forward[name] / 2 * task.eval_clip.num_views,
    }
  return {**next(iter(tasks.values())), 'tasks': tasks}


def report(found: Mapping[str, Any]) -> str:
  """Returns the tables."""
  parts = (_recipe_table, _params_table, _sites_table, _flops_table)
  return '\n\n'.join([*(part(found) for part in parts), _bytes_table(found)])


def _recipe_table(found: Mapping[str, Any]) -> str:
  recipe = found['recipe']
  parts = {'Training': recipe['run']}
  parts |= {f'Clips of {name}': told for name, told in recipe['tasks'].items()}
  return '\n\n'.join(
    f'{title}\n{tables.columns(_wrapped(told), "<<", "  ")}'
    for title, told in parts.items()
  )


def _wrapped(told: Mapping[str, str]) -> list[tuple[str, str]]:
  """Returns names and words, in as many rows as these need."""
  return [
    (name if number == 0 else '', line)
    for name, words in told.items()
    for number, line in enumerate(textwrap.wrap(words, 80))
  ]


def _params_table(found: Mapping[str, Any]) -> str:
  params = found['params']
  rows = [*params['modules'].items()]
  rows += [(n, params[n]) for n in ('total', 'trained', 'frozen', 'heads')]
  rows += [(f'group {name}', n) for name, n in params['groups'].items()]
  cells = [(name, f'{count:,}') for name, count in rows]
  return 'Parameters\n' + tables.columns(cells, '<>', '  ')


def _sites_table(found: Mapping[str, Any]) -> str:
  cells = [
    (
      place['site'],
      f'x {len(place["paths"])}',
      ', '.join(place['bound']) or '-',
      place['value'],
    )
    for place in found['sites']
  ]
  if not cells:
    return 'Sites: none'
  return 'Sites\n' + tables.columns(cells, '<<<<', '  ')


def _flops_table(found: Mapping[str, Any]) -> str:
  """One multiplication and addition are 2 FLOPs, and 1 MAC of papers."""
  cells = [('', 'GFLOPs, one view', 'GMACs, all views', 'GFLOPs, a step')]
  cells += [
    (
      f'  {name}',
      f'{t["forward"] / 1e9:,.1f}',
      f'{t["test_macs"] / 1e9:,.1f} ({t["views"][0]} x {t["views"][1]})',
      f'{t["step"] / 1e9:,.1f}',
    )
    for name, t in found['flops']['tasks'].items()
  ]
  return 'Cost\n' + tables.columns(cells, '<>>>')


def _bytes_table(found: Mapping[str, Any]) -> str:
  size = found['bytes']
  rows = [(name, size[name]) for name in ('params', 'gradients', 'optimizer')]
  rows += [(f'activations, {name}', n) for name, n in size['tasks'].items()]
  cells = [(name, f'{n / 2**20:,.1f}') for name, n in rows]
  return (
    f'MiB on one of {found["devices"]} devices, '
    f'{size["clips_per_device"]:g} clips at a time\n'
    + tables.columns(cells, '<>', '  ')
  )


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('The experiment, with its arguments after a colon.')
  flags.DEFINE_string('json', None, 'Where to write all of it as JSON.')
  bounded.define(
    'devices', 1, ranges.Count, 'How many devices the run is spread over.'
  )
  flags.DEFINE_string(
    'compile',
    None,
    'What to compile the step for: a TPU slice, v5e-16, v4-128, …; a GPU, '
    'h100, a100-80, … (h100-8: eight of a host); or cpu-8, so many devices of '
    'this CPU.',
  )
  flags.DEFINE_string('task', '', 'Whose step --compile is about; the first.')
  flags.mark_flag_as_required('config')


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  config = configure.from_flags()
  devices, meant = args.devices, None
  if args.compile:
    asking.check(config, args.compile, args.task)
    meant = topologies.target(args.compile)
    devices = meant.chips
    if meant.platform == 'gpu':
      meant = cards.find(args.compile).meant
  found = describe(config, devices, meant)
  print(report(found), flush=True)
  if args.compile:
    found['compiled'] = asking.ask(config, args.compile, args.task)
    print('\n' + asking.report(found['compiled'], found['bytes']))
  if args.json:
    durable.write(args.json, json.dumps(found, indent=2))


if __name__ == '__main__':
  cli.run(define_flags, main)
