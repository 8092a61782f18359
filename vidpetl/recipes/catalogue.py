"""What there is to say of a published backbone, from its preset alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidpetl.recipes import preset as preset_lib
from vidpetl.recipes import presets, sizes
from vidpetl.weights import family as family_lib
from vidpetl.weights import settings


def entry(name: str, counted: sizes.Sizes | None = None) -> dict[str, Any]:
  """Returns all of a preset, as JSON has it.

  Args:
    name: of the preset.
    counted: its sizes, where the table has them not.
  """
  preset = presets.find(name)
  counted = counted or sizes.find(name, preset)
  printed = preset.published or preset_lib.Published('')
  return {
    'name': name,
    'title': preset.title,
    'backbone': dict(preset.fields),
    'clip': dict(preset.clip),
    'pixels': {'mean': preset.mean, 'std': preset.std},
    'parameters': counted and counted.parameters,
    'macs': counted and counted.macs,
    'licence': preset.licence,
    'published': {
      'at': preset.source,
      'files': list(preset.files),
      'parameters_millions': printed.parameters,
      'gmacs': printed.gflops,
      'frozen_probe_top1': dict(printed.frozen),
      'numbers_from': printed.source,
    },
    'convert': _convert(name, preset),
    'train': (
      f'vidpetl train --config=adapt:data=my_videos,backbone={name},'
      f'weights={name}.safetensors'
    ),
  }


def _convert(name: str, preset: preset_lib.Preset) -> str:
  """Returns the command that reads its first file."""
  family = family_lib.load(preset.family)
  asks = [each for each in family.unshown if each.taken is settings.ASK]
  says = f'--preset={name} ' if family.heads or asks else ''
  return (
    f'vidpetl convert --from={preset.family} {says}'
    f'{preset.files[0].split()[0]} {name}.safetensors'
  )


def chosen(words: Sequence[str]) -> list[str]:
  """Returns the presets that are meant by words.

  Args:
    words: names of presets, or parts of names or titles; all presets if empty.

  Raises:
    ValueError: for a word that is in none, with the names that there are.
  """
  every = presets.all_presets()
  if not words:
    return list(every)
  found = {}
  for word in words:
    like = [word] if word in every else _like(word)
    if not like:
      presets.find(word, 'NAME')
    found |= dict.fromkeys(like)
  return list(found)


def _like(word: str) -> list[str]:
  return [
    name
    for name, preset in presets.all_presets().items()
    if word.lower() in f'{name} {preset.title}'.lower()
  ]


def clip_in_words(clip: dict[str, Any]) -> str:
  """Returns '8 x 16, 224': frames, stride and pixels."""
  return f'{clip["frames"]} x {clip["stride"]}, {clip["resolution"]}'


def probes_in_words(found: dict[str, Any]) -> str:
  """Returns 'SSv2 77.3, K400 87.3' of an entry, '' if none is printed."""
  printed = found['published']['frozen_probe_top1']
  return ', '.join(f'{data} {value:g}' for data, value in printed.items())


def count(value: int | None, unit: float, digits: int = 1) -> str:
  """Returns a size in a unit, '-' if it is not known."""
  return '-' if value is None else f'{value / unit:,.{digits}f}'
