"""Converting a published file as users do, and running what comes of it."""

import os
import re

import jax
import numpy as np

from vidpetl import backbones, convert
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables
from vidpetl.petl import adapted
from vidpetl.tasks import heads
from vidpetl.tasks.probes import building
from vidpetl.weights import settings
from vidpetl.weights.errors import UnsaidError


def convert_file(family, path, out, **options):
  """Converts a file, and answers what is asked by the flags that are offered.

  Args:
    family: of the file.
    path: of the file.
    out: to write.
    **options: of `importing.load`.
  """
  try:
    return convert.import_file(family, str(path), out, **options)
  except UnsaidError as error:
    answers = {}
    for text in re.findall(r'--set (\w+=[\w.]+)', str(error)):
      for name, value in settings.parse([text]).items():
        answers.setdefault(name, value)
    # Where no model so wide is published, that of a test has one head.
    answers.setdefault('heads', 1)
  options['settings'] = answers | options.get('settings', {})
  return convert.import_file(family, str(path), out, **options)


def encode(family, path, video, out, fields=(), **options):
  """Converts a file and encodes a video with it.

  Args:
    family: of the file.
    path: of the file.
    video: [b, t, h, w, 3].
    out: folder for the converted file.
    fields: of the backbone, in place of those that the file says.
    **options: of `importing.load`.

  Returns:
    `Features`, and the report.
  """
  file = os.path.join(out, f'{family}.safetensors')
  report = convert_file(family, path, file, **options)
  return encode_with(file, video, fields), report


def encode_with(file, video, fields=()):
  """Returns `Features` of a video by a converted file; see `encode`.

  Args:
    file: that was converted.
    video: [b, t, h, w, 3].
    fields: of the backbone.
  """
  said = published.read_metadata(file)
  model = backbones.build(said['backbone'], **dict(fields))
  arrays = storage.load_arrays(file)
  tree = variables.unflatten(arrays)
  tree = {name: part['backbone'] for name, part in tree.items()}
  return jax.jit(lambda v: model.apply(v, video, False))(tree)


def classify(family, path, video, out, head='k', **options):
  """Converts a file with its head, and classifies a video as a task does.

  Args:
    family: of the file.
    path: of the file.
    video: [b, t, h, w, 3].
    out: folder for the converted file.
    head: task.
    **options: of `importing.load`.

  Returns:
    Logits [b, C].
  """
  file = os.path.join(out, f'{family}.safetensors')
  convert_file(family, path, file, head=head, **options)
  said = published.read_metadata(file)
  probe = building.make(said['probes'].get(head), f'config.tasks.{head}.probe')
  arrays = variables.unflatten(storage.load_arrays(file))['params']
  module = heads.ClassificationHead(
    num_classes=arrays[f'heads_{head}']['output_projection']['bias'].size,
    probe=probe,
  )
  backbone = backbones.build(said['backbone'])
  model = adapted.tapped(backbone, probe.blocks() if probe else ())

  def logits(params):
    params = {name: {'params': tree} for name, tree in params.items()}
    features = model.apply(params['backbone'], video, False)
    return module.apply(params[f'heads_{head}'], features)

  return np.asarray(jax.jit(logits)(arrays))


def round_trip(family, path, out, **options):
  """Returns (what a file holds under the family's names, what export gives).

  Args:
    family: of the file.
    path: of a safetensors file or one of PyTorch's with weights alone.
    out: folder.
    **options: of `importing.load`; its head is exported too.
  """
  first, back, again = (os.path.join(out, f'{n}.safetensors') for n in 'abc')
  head = options.get('head', '')
  convert_file(family, path, first, **options)
  convert.export_run(family, first, back, head)
  convert_file(family, back, again, **options)
  before, after = (storage.load_arrays(p) for p in (first, again))
  assert before.keys() == after.keys()
  for name, array in before.items():
    np.testing.assert_array_equal(array, after[name], err_msg=name)
  return storage.load_arrays(back)


def randomise(model):
  """Draws a PyTorch model's parameters and statistics; none stays as it was."""
  import torch  # noqa: PLC0415

  torch.manual_seed(0)
  for name, value in [*model.named_parameters(), *model.named_buffers()]:
    if not value.is_floating_point():
      continue
    with torch.no_grad():
      if name.endswith('running_var'):
        value.uniform_(0.5, 1.5)
      elif value.ndim > 1:
        value.normal_(0, value[0].numel() ** -0.5)
      else:
        value.add_(torch.randn_like(value) * 0.1)
  return model.eval()


def video(*shape):
  """A clip of the usual scale, [b, t, h, w, 3]."""
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def relative_error(ours, theirs):
  """Largest difference over the largest value; theirs may be PyTorch's."""
  theirs = np.asarray(theirs.detach() if hasattr(theirs, 'detach') else theirs)
  assert ours.shape == theirs.shape
  return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
