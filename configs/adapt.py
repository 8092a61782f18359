"""Any backbone, method and task on one's own videos, or on a dataset.

  python -m vidpetl.main --workdir=runs/my_clips \
    --config=configs/adapt.py:backbone=videomae_b,weights=checkpoint.pth,\
method=lora,data=my_clips

adapts a published VideoMAE with LoRA to a folder of class folders.

Arguments, separated by commas:
  data        a folder of class folders; a table (csv, xlsx, ods) with a header
              path,label (clips) or video,score (performances), or of keyframes
              in AVA's format; or a dataset's name, as prepared or as
              downloaded.
  val         table to evaluate on, where `data` has no column `split`.
  shots       so many training examples of each class; or
  share       such a share of them; and seed, which others they are.
  backbone    a preset of vidpetl/recipes/presets: videomae_b, clip_b16, swin_b,
              vivit_b, i3d, …; by default that of a tuned model.
  weights     what to start from: the published file, what vidpetl.convert made
              of it, or a run's workdir. Without it the backbone starts from
              random parameters, which needs far more than a small dataset.
  method      what trains: lora, head, full, adaptformer, bapat, st_adapter, …
              of vidpetl/recipes/methods.py with its options: method=lora,
              rank=16. Transformers take all of them; on convolutional networks
              those that say so in their refusal do not work, and adapter3d
              does. Or a tuned model of vidpetl/recipes/tuned.py, as its authors
              have it: method=aim:ssv2_b16.
  time        whether tokens get a learned vector for their moment, 0 at first:
              towers of images (CLIP, DINOv2, DINOv3, SigLIP, …) see each frame
              by itself, and tell no moments apart. aim and zeroi2v have it in
              any case; a probe on frozen features has probe_time=true.
  task        classification, multilabel, localisation, quality (or
              quality.core, quality.tsa), pretext (or pretext.pace,
              pretext.rspnet); by default what the data are annotated for.
  with        further data for co-finetuning, 'a+b': each step is a batch of
              one of them, each has a head of its own.
  frames, stride, resolution   of a clip; by default what the backbone was
              trained on: those of the run that `weights` is the workdir of.
  sampling    of clips: dense, segments, spread or tail, as in
              vidpetl/recipes/sampling.py; by default dense, and spread for
              quality. With segments, stride has nothing to say.
  short       what becomes of a video that is shorter than a dense clip: hold,
              loop or stretch; hold by default.
  batch       clips a step; eval_batch of an evaluation.
  epochs, rate
  head_norm   before a classifier's last layer: none, batch or layer. Features
              of a frozen masked autoencoder want batch.
  head_dropout   there, 0 to 1.
  probe       what reads the backbone's tokens for the head: mean, attentive,
              efficient, frame_coded, … of vidpetl/tasks/probes, with its fields
              behind probe_: probe=attentive,probe_depth=3,
              probe_layers=2+5+8+11; by default the head reads the backbone's
              summary.
  report      last, best, mean10 or validated, as in
              vidpetl/recipes/reporting.py; last by default.
  views       clips spread over a video, whose answers a test averages.
  mirrored    whether a mirrored clip keeps its label, so that half of the
              training clips are flipped; by default what is known of the
              dataset, and of one's own, whether no class's name tells left
              from right.
  fps         of videos that are folders of frames; 25 by default.
  low, high   range of scores (quality); by default that of the training data
              and a tenth of it more on both sides.
  segments    into how many a performance is cut (quality).
  videos, labelmap, detections, val_detections, video_start   of keyframes:
              their folder (that of the csv), the actions' names, a person
              detector's boxes, and the annotated second at which files begin.
  boxes       what becomes of boxes that leave the frame: rounding (cut those
              that do by a pixel or so), clip (by a tenth of it), error.
  variant, fold   of jigsaws and pd4t: which of their tasks, and which fold.
  prepared, raw   folders of prepared records, and of the raw datasets.
  small       the backbone's small twin, and small clips: to try on a laptop.

All else is --config.<field>=…. Nothing was measured with this config: it has no
paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from vidpetl import mistakes
from vidpetl.data import kinds, mirroring, sources
from vidpetl.recipes import (
  arguments,
  crops,
  data,
  defaults,
  earlier,
  methods,
  preset,
  presets,
  probing,
  reporting,
  sampling,
  task_fields,
  tuned,
)

ConfigDict = ml_collections.ConfigDict

_ARGUMENTS = {
  'data': '',
  'val': '',
  'shots': 0,
  'share': 0.0,
  'seed': 0,
  'backbone': 'videomae_b',
  'weights': '',
  'time': False,
  'task': '',
  'with': (),
  'frames': 0,
  'resolution': 0,
  **sampling.ARGUMENTS,
  'batch': 8,
  'eval_batch': 8,
  'epochs': 30.0,
  'rate': 0.0,
  'head_norm': 'none',
  'head_dropout': 0.0,
  'report': 'last',
  'views': 1,
  'fps': 0.0,
  'mirrored': True,
  'low': float('nan'),
  'high': float('nan'),
  'segments': 4,
  'videos': '',
  'labelmap': '',
  'detections': '',
  'val_detections': '',
  'video_start': 0.0,
  'boxes': '',
  'variant': '',
  'fold': 0,
  'prepared': 'data/prepared',
  'raw': 'data/raw',
  'small': False,
}
# Learning rates of AdamW, for all parameters and for few.
_RATES = {'full': 1e-4}
_RATE = 1e-3
# Short names of tasks.
_TASKS = {'quality': 'quality.usdl', 'pretext': 'pretext.vspp'}
# Tasks whose clips may be sampled in several ways, and those whose head is a
# linear classifier.
_SAMPLED = ('classification', 'multilabel', 'quality')
_CLASSIFIERS = ('classification', 'multilabel', 'localisation')
# Task -> what 'best' means.
_BEST = {
  'classification': 'top1',
  'multilabel': 'mAP',
  'localisation': 'mAP',
  'quality': 'spearman',
  'pretext.rspnet': 'speed_order',
  'pretext': 'accuracy',
}


def get_config(argument: str = '') -> ConfigDict:
  """Returns the locked config of `argument`."""
  method = arguments.value(argument, 'method', 'lora')
  of_method = methods.options(method)
  of_probe = probing.known(argument)
  known = tuned.defaults(method, {**of_method, **_ARGUMENTS, **of_probe})
  arg = arguments.parse(argument, method=method, **known)
  found = presets.find(arg.backbone)
  config = defaults.get_config()
  config.backbone = {**found.fields, **(found.small if arg.small else {})}
  chosen = {name: arg[name] for name in of_method}
  for name in {'site'} & set(chosen):
    chosen[name] = _site(argument, method, found, chosen[name])
  config.petl, config.trainable = methods.make(method, time=arg.time, **chosen)
  config.init.update(
    path=arg.weights, family=found.family, skip=('^heads_', '/site_')
  )
  config.epochs, config.batch_size = arg.epochs, arg.batch
  config.eval_batch_size = arg.eval_batch
  config.dtype = 'float32'
  config.log_every, config.checkpoint.every = 10, 200
  config.input.workers = 8
  config.optimizer.update(
    name='adamw',
    learning_rate=arg.rate or _RATES.get(method, _RATE),
    warmup_epochs=min(1.0, arg.epochs / 10),
  )
  named = [arg.data, *arg['with']]
  config.tasks = {}
  for number, each in enumerate(named):
    name, task = _task(argument, arg, found, each, first=number == 0)
    if name in config.tasks:
      raise ValueError(f'with={each}: there is a task {name!r} already.')
    config.tasks[name] = task
  _check_used(arg, [task.task for task in config.tasks.values()])
  tuned.apply(config, method, norm=arg.head_norm, dropout=arg.head_dropout)
  probing.apply(config, arg)
  config.checkpoint.best = _best(*next(iter(config.tasks.items())))
  reporting.apply(config, arg.report)
  return config.lock()


def _check_used(arg: ConfigDict, tasks: list[str]) -> None:
  """Raises ValueError for arguments that none of the tasks has a use for."""
  for names, of in (
    (('sampling', 'short'), _SAMPLED),
    (('head_norm', 'head_dropout'), _CLASSIFIERS),
  ):
    said = [n for n in names if arg[n] != _ARGUMENTS[n]]
    if said and not any(t in of or t.partition('.')[0] in of for t in tasks):
      raise ValueError(
        f'{" and ".join(said)} would do nothing: of {", ".join(of)}, and the '
        f'task is {", ".join(tasks)}.'
      )


def _site(argument: str, method: str, of: preset.Preset, default: str) -> str:
  """Returns where a method's technique sits in a backbone."""
  return arguments.value(argument, 'site', of.sites.get(method, default))


def _best(name: str, task: ConfigDict) -> str:
  kind = task.task.partition('.')[0]
  return f'{name}/{_BEST.get(task.task, _BEST.get(kind))}'


def _task(
  argument: str,
  arg: ConfigDict,
  of: preset.Preset,
  named: str,
  *,
  first: bool,
) -> tuple[str, dict[str, Any]]:
  """Returns a task's name and fields, without the data's own numbers.

  Args:
    argument: of the config.
    arg: the same, parsed.
    of: the backbone.
    named: the data.
    first: whether it is `data=`, and not one of `with=`.
  """
  found = data.find(
    named,
    roots=(arg.prepared, arg.raw),
    val=arg.val if first else '',
    variants={'task': arg.variant, 'fold': arg.fold},
    boxes={
      name: arg[name]
      for name in (
        *('videos', 'labelmap', 'detections', 'val_detections', 'boxes'),
      )
    }
    | {'video_start': arg.video_start},
  )
  task = arg.task if first and arg.task else found.kind
  task = _TASKS.get(task, task)
  fields = {
    'task': task,
    'train': {**_source(arg, found.train), **_part(arg)},
    'eval': _source(arg, found.eval),
    'clip': _clip(arg, of, found),
    'augment': {
      'scale_jitter': None,
      'flip': arg.mirrored,
      'mean': of.mean,
      'std': of.std,
    },
  }
  task_fields.change(arg, fields)
  if not arguments.value(argument, 'mirrored', ''):
    fields['augment']['flip'] = _may_mirror(found, fields['train'])
  if task.partition('.')[0] in _SAMPLED:
    fields['clip'] = sampling.apply(fields['clip'], arg)
  if task in _CLASSIFIERS:
    fields.update(norm=arg.head_norm, dropout=arg.head_dropout)
  return found.name, fields


def _source(arg: ConfigDict, fields: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the fields of a source, with what arguments say of it."""
  if arg.fps and 'fps' in sources.arguments(fields):
    return {**fields, 'fps': arg.fps}
  return dict(fields)


def _may_mirror(found: data.Data, train: Mapping[str, Any]) -> bool:
  """Returns whether mirrored clips keep their labels; says so if they do not.

  Of one's own data, the names of the classes tell; `train` is the source of
  them as the task reads it.
  """
  if found.known:
    return found.known.mirrored
  if not kinds.load(found.kind).has_classes:
    return True
  try:
    classes = sources.open_source(train).info.classes
  except FileNotFoundError:  # the data lie elsewhere
    return True
  sided = mirroring.tells_sides(classes.values())
  if sided:
    mistakes.note(
      f'{found.name}: training clips are not mirrored, because classes tell '
      f'left from right ({", ".join(sided[:5])}); mirrored=true mirrors them'
    )
  return not sided


def _part(arg: ConfigDict) -> dict[str, Any]:
  """Returns which part of the training data is used."""
  part = {name: arg[name] for name in ('shots', 'share') if arg[name]}
  return {**part, 'seed': arg.seed} if part else {}


def _clip(
  arg: ConfigDict, of: preset.Preset, found: data.Data
) -> dict[str, Any]:
  clip = {**of.clip, **(_small(of) if arg.small else {})}
  trained = earlier.clip(arg.weights)
  clip |= trained
  if found.kind == 'classification' and not arg.small:
    clip |= tuned.find(arg.method).clip
  for name in ('frames', 'resolution'):
    clip[name] = arg[name] or clip[name]
  if arg.stride:
    clip['stride'] = arg.stride
  clip |= crops.at(crops.USUAL, clip['resolution'])
  if found.known and found.known.fps and 'fps' not in trained:
    clip['fps'] = found.known.fps
  return clip


def _small(of: preset.Preset) -> dict[str, Any]:
  """Returns two seconds at 15 frames a second."""
  return {**of.small_clip, 'stride': 30 / of.small_clip['frames'], 'fps': 15.0}
