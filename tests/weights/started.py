"""Starting an experiment from a file, without drawing what it replaces."""

from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import initialise

CLASSES = 5


def start(config, family, path, resolution, backbone=None, **init):
  """Does what a run does before its first step.

  Args:
    config: of an experiment on kinetics400 alone.
    family: of the file.
    path: of the file.
    resolution: of the clips.
    backbone: `config.backbone`, if not the config's.
    **init: further fields of `config.init`.

  Returns:
    The experiment's backbone, its parameters, and what became of the arrays.
  """
  config = config.copy_and_resolve_references().unlock()
  config.init.update({'family': family, 'path': str(path), **init})
  config.tasks.kinetics400.clip.resolution = resolution
  config.tasks.kinetics400.num_classes = CLASSES
  config.backbone = backbone or config.backbone
  infos = experiment_lib.infos_from_config(config)
  made = experiment_lib.build(config.lock(), infos)
  # What is drawn would be compiled first; the file has all but the heads.
  started, _, report = initialise.load(made.variables, config.init, made)
  return made.model.backbone, started['params']['backbone'], report
