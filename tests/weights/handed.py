"""Models of ours with random arrays, written for others as users do."""

import jax
import numpy as np
import resized
import torchvision_build

from vidpetl import backbones, convert
from vidpetl.experiment import published
from vidpetl.parameters import storage, variables

CLASSES = 5
LABELS = dict(enumerate('abcde'))
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def make(backbone, video):
  """Draws a backbone and a head; no bias is 0, and no norm's gain is 1.

  Args:
    backbone: `config.backbone`.
    video: shape of a clip, (t, h, w).

  Returns:
    Arrays by name, and a function from clips [b, t, h, w, 3] to logits.
  """
  model = backbones.build(backbone)
  features, shapes = jax.eval_shape(
    lambda: model.init_with_output(
      jax.random.key(0), np.zeros((1, *video, 3)), False
    )
  )
  flat = variables.flatten({k: {'backbone': v} for k, v in shapes.items()})
  rng = np.random.default_rng(0)
  arrays = {n: _draw(rng, n, leaf.shape) for n, leaf in flat.items()}
  width = features.summary.shape[-1]
  head = 'heads_k/output_projection/'
  arrays[head + 'kernel'] = _draw(rng, 'kernel', (width, CLASSES))
  arrays[head + 'bias'] = _draw(rng, 'bias', (CLASSES,))

  def logits(clips):
    tree = variables.unflatten(
      {n: a for n, a in arrays.items() if not n.startswith('heads_')}
    )
    tree = {name: part['backbone'] for name, part in tree.items()}
    apply = jax.jit(lambda v, x: model.apply(v, x, False).summary)
    summary = np.asarray(apply(tree, clips))
    return summary @ arrays[head + 'kernel'] + arrays[head + 'bias']

  return arrays, logits


def _draw(rng, name, shape):
  leaf = name.split('/')[-1]
  values = rng.normal(size=shape)
  if leaf == 'var':
    values = rng.uniform(0.5, 1.5, shape)
  elif leaf == 'kernel':
    values *= float(np.prod(shape[:-1])) ** -0.5
  else:
    values = values * 0.2 + (leaf == 'scale')
  return values.astype(np.float32)


def save(path, arrays, backbone, grid, **more):
  """Writes a file of ours that says what it is, as `vidpetl convert` does."""
  said = {
    'backbone': backbone,
    'mean': MEAN,
    'std': STD,
    'grid': grid,
    'labels': {'k': {str(i): label for i, label in LABELS.items()}},
    **more,
  }
  storage.save_arrays(str(path), arrays, published.to_metadata(said))
  return str(path)


def export(family, backbone, grid, video, folder, head='k', out='out'):
  """Hands a random model over.

  Args:
    family: to write.
    backbone: `config.backbone`.
    grid: (t, h, w) of the tokens of its clips.
    video: (t, h, w) of its clips.
    folder: to write into.
    head: task of the classifier, '' without one.
    out: name of what is written there.

  Returns:
    What was written, our logits of clips, our arrays, and the report.
  """
  arrays, logits = make(backbone, video)
  path = save(folder / 'ours.safetensors', arrays, backbone, grid)
  written = folder / out
  report = convert.export_run(family, path, str(written), head)
  return written, logits, arrays, report


def strictly(model, path):
  """Loads a file as PyTorch does: every name, and no other."""
  import safetensors.torch  # noqa: PLC0415

  model.load_state_dict(safetensors.torch.load_file(path), strict=True)
  return model.eval()


def clips(*shape):
  return np.random.default_rng(3).normal(size=(*shape, 3)).astype(np.float32)


def check_pooler(folder, ours, arrays, side):
  """Asserts that transformers reads a folder whole, and pools as ours does.

  Args:
    folder: that `export` has written, of a tower of images.
    ours: clips -> logits, of the head on what is pooled.
    arrays: of ours, by name.
    side: of a frame, in pixels.
  """
  import torch  # noqa: PLC0415

  torchvision_build.load()
  import transformers  # noqa: PLC0415

  net, info = transformers.AutoModel.from_pretrained(
    folder, output_loading_info=True
  )
  assert not info['missing_keys'] and not info['unexpected_keys']
  video = clips(2, 1, side, side)
  with torch.no_grad():
    pooled = net.eval()(resized.frames(video)).pooler_output.numpy()
  head = [arrays[f'heads_k/output_projection/{n}'] for n in ('kernel', 'bias')]
  expected = pooled @ head[0] + head[1]
  np.testing.assert_allclose(ours(video), expected, atol=2e-5)
