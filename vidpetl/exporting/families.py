"""Weights under the names of a family's own code: what PyTorch loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vidpetl.experiment import handover
from vidpetl.exporting import comparing, films, preprocessing, writing
from vidpetl.exporting import subject as subject_lib
from vidpetl.parameters import storage
from vidpetl.weights import exporting, folders_out
from vidpetl.weights import family as family_lib
from vidpetl.weights import report as report_lib
from vidpetl.weights.errors import WeightsError

ARRAYS = 'model.safetensors'
TOLERANCE = {'float32': 1e-3, 'bfloat16': 1e-1}
_PROGRAM = """import json, torch, transformers
from read_clip import read_clip
spec = json.load(open('{spec}', encoding='utf-8'))
pixels, inputs = spec['pixels'], read_clip('film.mp4', spec)
video = (inputs['video'] / 255 - pixels['mean']) / pixels['std']
{pad}video = torch.tensor(video, dtype=torch.float32).flatten(0, -5)  # Views.
model = transformers.{model}.from_pretrained('.')
with torch.no_grad():
  logits = model(video.movedim(-1, 2)).logits.mean(0)
print(model.config.id2label[int(logits.argmax())])"""
_PAD = """height, width = inputs['size'][0]
video[..., height:, :, :] = video[..., width:, :] = pixels['pad_value']
"""


def export(
  name: str, source: handover.Source, out: str, head: str
) -> report_lib.Report:
  """Writes a model under a family's names, as its code takes it.

  Args:
    name: of the family.
    source: the model.
    out: a folder for transformers' from_pretrained, or a file of arrays alone.
    head: task whose head is the classifier, '' to leave it out.
  """
  fields = source.model.backbone if source.model else {}
  video = source.model.video if source.model else ()
  exported, report = exporting.export(
    name, source.arrays, head=head, backbone=fields, video=video
  )
  report.notes += source.notes
  family = family_lib.load(name)
  if source.model:
    report.notes += handover.differences(
      family, source.arrays, source.model, head
    )
  if family.folder and not out.endswith(storage.SUFFIX):
    report.notes += folders_out.write(
      family.folder, out, exported, source.model, head
    )
    return report
  # As libraries of PyTorch's ask for.
  storage.save_arrays(out, exported, {'format': 'pt'})
  takes = exporting.takes(family, head)
  if family.folder:
    takes = (
      f'a file of arrays alone, for {family.folder.plain} needs a config as '
      f'well: without {storage.SUFFIX}, {out} is a folder that has both'
    )
  report.notes.append(takes)
  return report


def write(
  subject: subject_lib.Subject,
  out: str,
  name: str = '',
  tolerance: float | None = None,
  clips: Sequence[str] = (),
) -> list[str]:
  """Exports a trained model as PyTorch's code of its family takes it.

  Args:
    subject: what is exported.
    out: folder to write, which is not there yet, or empty.
    name: of the family; '' finds one.
    tolerance: see `writing.write`.
    clips: films on which it is compared; of the run's evaluation by default.

  Returns:
    What there is to say of it.

  Raises:
    ValueError: if a technique does not merge, if no family has such a model,
      or if what was merged says something else.
  """
  try:
    source = handover.of_spec(subject.spec, subject.params, subject.name)
  except ValueError as error:
    raise ValueError(
      f'--to=torch: {error}. --to=onnx, jax and saved_model hold it inside.'
    ) from None
  if tolerance is None:
    tolerance = TOLERANCE[subject.dtype]
  name = name or find(source, subject)
  head = _head(name, subject)
  with writing.whole(out) as folder:
    into = folder if family_lib.load(name).folder else folder / ARRAYS
    report = export(name, source, str(into), head)
    taken = films.take(subject, subject.origin, clips)
    found = comparing.compare(subject, _merged(subject, source.arrays), taken)
    if not found.within(tolerance):
      raise ValueError(
        f'--to=torch: {found}; on {taken.words}. That is more than '
        f'--tolerance={tolerance:g} allows, so {out} was not written.'
      )
    lines = [report.short(), f'Merged weights: {found}; on {taken.words}']
    if not head:
      lines.append(
        f'{name} has no place for the head of {subject.name}: it is in the '
        'exports to onnx, jax and saved_model'
      )
    text = _text(subject, name, head, lines)
    writing.beside(folder, subject, text, inside=False)
  return lines


def find(source: handover.Source, subject: subject_lib.Subject) -> str:
  """Returns the first family that has such a model.

  Those that have a place for its head come first, and transformers' of these.

  Raises:
    ValueError: if there is none.
  """
  known = {name: family_lib.load(name) for name in family_lib.names()}
  order = sorted(
    known, key=lambda name: (not _head(name, subject), not known[name].folder)
  )
  fields = source.model.backbone
  for name in order:
    family = known[name]
    if family.read_only or fields['name'] not in family.rules:
      continue
    try:
      exporting.export(
        name,
        source.arrays,
        head=_head(name, subject),
        backbone=fields,
        video=source.model.video,
      )
    except WeightsError:
      continue
    return name
  raise ValueError(
    f'--to=torch: no family of weights has such a {fields["name"]}; --to=onnx, '
    'jax and saved_model hold it.'
  )


def _head(name: str, subject: subject_lib.Subject) -> str:
  """Returns the task whose head the family's classifier is, '' for none."""
  family = family_lib.load(name)
  if not family.head or subject.kind != 'classification':
    return ''
  start = f'heads_{subject.name}/probe/'
  probed = any(path.startswith(start) for path in subject.params)
  reads = any(n.startswith('probe/') for r in family.head for n in r.ours)
  return subject.name if reads == probed else ''


def _merged(subject: subject_lib.Subject, arrays: Mapping[str, np.ndarray]):
  """Returns what runs the merged model; see `targets`."""
  plain = dataclasses.replace(
    subject, spec={**subject.spec, 'petl': ()}, params=arrays
  )
  known = {program.name: program for program in plain.programs()}

  def run(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return jax.jit(known[name].function)(dict(arrays), dict(inputs))

  return run


def _text(
  subject: subject_lib.Subject, name: str, head: str, lines: Sequence[str]
) -> str:
  """Returns README.md."""
  kind = family_lib.load(name).folder
  if kind and kind.classifier and head:
    padded = subject.task.eval_clip.framing.resize == 'pad'
    load = _PROGRAM.format(
      spec=preprocessing.FILE,
      pad=_PAD if padded else '',
      model=kind.classifier,
    )
  elif kind:
    load = (
      f'import transformers\n'
      f"model = transformers.{kind.plain}.from_pretrained('.')"
    )
  else:
    takes = exporting.takes(family_lib.load(name), head)
    load = (
      'from safetensors.torch import load_file\n'
      f"arrays = load_file('{ARRAYS}')  # {takes}"
    )
  said = '\n'.join(f'- {line}' for line in '\n'.join(lines).splitlines())
  return (
    f'# {subject.name}: weights for {name}\n\n{said}\n\n'
    f'    pip install torch {"transformers" if kind else "safetensors"} av\n\n'
    f'```python\n{load}\n```\n\n`{preprocessing.FILE}` says how a film '
    'becomes what the model takes; `pixels` and the average over views are to '
    f'be done by you. `{writing.READER}` reads films.\n'
  )
