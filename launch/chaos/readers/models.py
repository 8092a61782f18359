"""What vidpetl writes itself: packages, models, configs, exemplars."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
from etils import epath

from launch.chaos import bench, makers
from vidpetl.experiment import exemplars, spec, trained
from vidpetl.experiment.peft import reading, writing
from vidpetl.inference import models
from vidpetl.inference.people import boxes
from vidpetl.parameters import package, storage

_ARRAYS = ('*.safetensors',)


def _packed(method: str = 'lora'):
  packages = makers.find('packages')
  return packages.pack(packages.make_config('clip', method, rank=2))


def _package(folder: epath.Path) -> None:
  package.save(folder / 'adapter', _packed()[0])


def _read_package(folder: epath.Path) -> Any:
  found = package.load(folder / 'adapter')
  return [found.config, found.params]


def _peft(folder: epath.Path) -> None:
  packed, params = _packed()
  (folder / 'peft').mkdir()
  writing.write(str(folder / 'peft'), packed)
  shapes = {name: np.zeros(x.shape, bool) for name, x in params.items()}
  with (folder / 'shapes.npz').open('wb') as file:
    np.savez(file, **shapes)


def _read_peft(folder: epath.Path) -> Any:
  with np.load(folder / 'shapes.npz') as file:
    shapes = {name: file[name].shape for name in file.files}
  peft = str(folder / 'peft')
  return [reading.read_config(peft, 1), reading.read(peft, shapes)]


def _converted(folder: epath.Path) -> None:
  packages = makers.find('packages')
  _, params = packages.trained(packages.make_config('clip', 'head'))
  storage.save_arrays(str(folder / 'weights.safetensors'), params)


def _read_converted(folder: epath.Path) -> Any:
  return storage.load_arrays(str(folder / 'weights.safetensors'))


def _model(folder: epath.Path) -> None:
  for path in (models.FOLDER / 'clips').iterdir():
    if path.suffix in ('.json', '.safetensors'):
      shutil.copy(path, folder / path.name)


def _read_model(folder: epath.Path) -> Any:
  found = trained.read(str(folder))
  return [found.spec, found.arrays, spec.build(found.spec).group_of]


def _exemplars(folder: epath.Path) -> None:
  rng = np.random.default_rng(0)
  arrays = {'features': rng.normal(size=(3, 8)), 'scores': np.arange(3.0)}
  exemplars.write(folder, 'dives', 7, arrays)


def _read_exemplars(folder: epath.Path) -> Any:
  return exemplars.read(folder, 'dives', 7)


def _boxes(folder: epath.Path) -> None:
  shutil.copy(models.FOLDER / 'people' / models.BOXES, folder / 'boxes.csv')


def _read_boxes(folder: epath.Path) -> Any:
  found = boxes.read(str(folder / 'boxes.csv'), ['film.mp4'])
  return {name: each.rows if each else None for name, each in found.items()}


READERS = (
  bench.Reader('package', _package, _read_package, checked=_ARRAYS),
  bench.Reader(
    'package of peft',
    _peft,
    _read_peft,
    damaged=('adapter_*',),
  ),
  bench.Reader('converted file', _converted, _read_converted, checked=_ARRAYS),
  bench.Reader('model.json and its file', _model, _read_model, checked=_ARRAYS),
  bench.Reader('exemplars', _exemplars, _read_exemplars, checked=('*.npz',)),
  bench.Reader('boxes of people', _boxes, _read_boxes),
)
