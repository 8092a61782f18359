"""Draws what a trained run has learned, and what it looks at.

  python -m vidpetl.pictures --config=CONFIG --workdir=RUN [--checkpoint=best]

Writes into RUN/pictures, as PNG and SVG:

  fusion_weights.png    what MST-Adapters learned of their branches, by layer
  grad_cam_<task>.png   what speaks for the predicted class in clips that are
                        spread evenly over the evaluation set, in one view
"""

from __future__ import annotations

from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, ranges
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  import jax

  from vidpetl.experiment import configure
  from vidpetl.parameters import trainable
  from vidpetl.studies import explaining, fusion, grad_cam, style
  from vidpetl.training import compiling, sharding
  from vidpetl.training import run as run_lib


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('The config that the run was trained with.')
  flags.DEFINE_string('workdir', None, 'Folder of the run.')
  flags.DEFINE_string('checkpoint', 'latest', "'latest', 'best' or a step.")
  bounded.define('examples', 4, ranges.Count, 'Clips to explain.')
  flags.DEFINE_string('task', None, 'Which task; all classifications if unset.')
  flags.mark_flags_as_required(['config', 'workdir'])


def draw(
  config: Any,
  workdir: str,
  checkpoint: str = 'latest',
  count: int = 4,
  task: str | None = None,
) -> list[epath.Path]:
  """Draws all pictures of a run.

  Args:
    config: that it was trained with.
    workdir: where it lives.
    checkpoint: 'latest', 'best' or a step.
    count: clips to explain.
    task: which to explain; None for all classifications.

  Returns:
    The files that were written.
  """
  pictures = {}
  with jax.set_mesh(sharding.mesh_of(config)):
    run = run_lib.prepare(config, workdir)
    tasks = explaining.choose_tasks(run, task)
    state, step = explaining.restore(run, workdir, checkpoint)
    print(f'Step {step} of {workdir}.')
    places = explaining.sites(run)
    params = trainable.flatten(state.variables['params'])
    if found := fusion.read(params, places):
      pictures['fusion_weights'] = fusion.draw(found)
    else:
      print('The run has no MST-Adapter with learned fusion weights to draw.')
    for name in tasks:
      chosen = explaining.spread(run, name, count)
      found = explaining.explain_clips(run, state, places, name, chosen)
      if examples := list(found.values()):
        pictures[f'grad_cam_{name}'] = grad_cam.draw(examples)
  folder = epath.Path(workdir, 'pictures')
  paths = []
  for name, picture in pictures.items():
    paths += style.save(picture, folder, name)
  for path in paths:
    print(path)
  return paths


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  logging.set_verbosity(logging.ERROR)
  config = configure.from_flags()
  compiling.keep(config.compile_cache, epath.Path(args.workdir).parent)
  draw(config, args.workdir, args.checkpoint, args.examples, args.task)


if __name__ == '__main__':
  cli.run(define_flags, main)
