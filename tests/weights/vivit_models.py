"""ViViTs of PyTorch's and transformers' blocks, and scenic's trees of them.

A tree is written from a model's parameters as scenic names and shapes them.
"""

import converted
import einops
import numpy as np
import torchvision_build

WIDTH, HEADS = 384, 6
CLASSES = 5


def dense(layer):
  return {'kernel': array(layer.weight).T, 'bias': array(layer.bias)}


def norm(layer):
  return {'scale': array(layer.weight), 'bias': array(layer.bias)}


def array(tensor):
  return np.ascontiguousarray(tensor.detach().numpy())


def attention(weights, biases, out, heads):
  """scenic's parameters of an attention.

  Args:
    weights: of queries, keys and values, [d, d] each.
    biases: of these.
    out: the layer behind.
    heads: how many.
  """
  tree = {
    name: {
      'kernel': einops.rearrange(w, '(h c) i -> i h c', h=heads),
      'bias': einops.rearrange(b, '(h c) -> h c', h=heads),
    }
    for name, w, b in zip(('query', 'key', 'value'), weights, biases)
  }
  out = dense(out)
  kernel = einops.rearrange(out['kernel'], '(h c) o -> h c o', h=heads)
  return {**tree, 'out': {**out, 'kernel': kernel}}


def block(norms, attention, mlp):
  """scenic's parameters of a block."""
  return {
    **{f'LayerNorm_{i}': norm(layer) for i, layer in enumerate(norms)},
    'MultiHeadDotProductAttention_0': attention,
    'MlpBlock_0': {f'Dense_{i}': dense(layer) for i, layer in enumerate(mlp)},
  }


def embedding(convolution):
  kernel = array(convolution.weight).transpose(2, 3, 4, 1, 0)
  return {'kernel': kernel, 'bias': array(convolution.bias)}


def encoder(positions, depth, width, heads):
  """An encoder as scenic's: positions, blocks, and a norm behind them."""
  import torch  # noqa: PLC0415

  class Encoder(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.positions = torch.nn.Parameter(torch.zeros(1, positions, width))
      self.blocks = torch.nn.ModuleList(
        torch.nn.TransformerEncoderLayer(
          width,
          heads,
          2 * width,
          dropout=0.0,
          activation=lambda x: torch.nn.functional.gelu(x, approximate='tanh'),
          layer_norm_eps=1e-6,
          batch_first=True,
          norm_first=True,
        )
        for _ in range(depth)
      )
      self.norm = torch.nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
      x = x + self.positions
      for layer in self.blocks:
        x = layer(x)
      return self.norm(x)

    def block_tree(self, layer):
      inside = layer.self_attn
      parts = (inside.in_proj_weight, inside.in_proj_bias)
      qkv = (np.split(array(part), 3) for part in parts)
      return block(
        (layer.norm1, layer.norm2),
        attention(*qkv, inside.out_proj, heads),
        (layer.linear1, layer.linear2),
      )

    def tree(self):
      blocks = map(self.block_tree, self.blocks)
      return {
        'posembed_input': {'pos_embedding': array(self.positions)},
        **{f'encoderblock_{i}': tree for i, tree in enumerate(blocks)},
        'encoder_norm': norm(self.norm),
      }

  return Encoder()


def factorised(grid, tubelet, token, width=WIDTH, heads=HEADS, depths=(2, 1)):
  """A factorised encoder, with class tokens or without."""
  import torch  # noqa: PLC0415

  t, h, w = grid

  class Factorised(torch.nn.Module):
    def __init__(self):
      super().__init__()
      self.embedding = torch.nn.Conv3d(3, width, tubelet, tubelet)
      self.space = encoder(h * w + token, depths[0], width, heads)
      self.time = encoder(t + token, depths[1], width, heads)
      self.head = torch.nn.Linear(width, CLASSES)
      if token:
        self.cls_space = torch.nn.Parameter(torch.zeros(1, 1, width))
        self.cls_time = torch.nn.Parameter(torch.zeros(1, 1, width))

    def frames(self, video):
      """Returns tokens of frames, [b, t, n, d], class tokens first."""
      x = self.embedding(torch.from_numpy(video).permute(0, 4, 1, 2, 3))
      b, d = x.shape[:2]
      x = x.permute(0, 2, 3, 4, 1).reshape(b * t, h * w, d)
      if token:
        x = torch.cat([self.cls_space.expand(b * t, 1, d), x], 1)
      return self.space(x).reshape(b, t, -1, d)

    def forward(self, video):
      """Returns what the published classifier reads, [b, d]."""
      x = self.frames(video)
      if not token:
        return self.time(x.mean(2)).mean(1)
      first = self.cls_time.expand(len(x), 1, x.shape[-1])
      return self.time(torch.cat([first, x[:, :, 0]], 1))[:, 0]

    def everywhere(self, video):
      """Returns the temporal encoder's tokens of all places, [b, t, n, d]."""
      x = self.frames(video).transpose(1, 2)
      return self.time(x.flatten(0, 1)).reshape(x.shape).transpose(1, 2)

    def tree(self):
      tree = {
        'embedding': embedding(self.embedding),
        'SpatialTransformer': self.space.tree(),
        'TemporalTransformer': self.time.tree(),
        'output_projection': dense(self.head),
      }
      if token:
        tree['cls_SpatialTransformer'] = array(self.cls_space)
        tree['cls_TemporalTransformer'] = array(self.cls_time)
      return tree

  return converted.randomise(Factorised())


def joint(grid, tubelet, width=WIDTH, heads=HEADS, depth=2):
  """transformers' ViViT, whose tokens all attend to each other."""
  torchvision_build.load()
  import transformers  # noqa: PLC0415

  config = transformers.VivitConfig(
    tubelet_size=list(tubelet),
    num_frames=grid[0] * tubelet[0],
    image_size=grid[1] * tubelet[1],
    hidden_size=width,
    num_attention_heads=heads,
    num_hidden_layers=depth,
    intermediate_size=2 * width,
    num_labels=CLASSES,
  )
  return converted.randomise(transformers.VivitForVideoClassification(config))


def joint_tokens(model, video):
  """Returns the tokens of transformers' model, [b, 1 + n, d]."""
  import torch  # noqa: PLC0415

  clips = torch.from_numpy(video).permute(0, 1, 4, 2, 3)
  with torch.no_grad():
    return model.vivit(clips).last_hidden_state


def joint_tree(model):
  """scenic's tree of transformers' model."""
  inside, heads = model.vivit, model.config.num_attention_heads

  def block_tree(layer):
    at = layer.attention
    qkv = (at.q_proj, at.k_proj, at.v_proj)
    weights, biases = (
      [array(getattr(part, leaf)) for part in qkv]
      for leaf in ('weight', 'bias')
    )
    return block(
      (layer.layernorm_before, layer.layernorm_after),
      attention(weights, biases, at.o_proj, heads),
      (layer.mlp.fc1, layer.mlp.fc2),
    )

  blocks = map(block_tree, inside.layers)
  positions = array(inside.embeddings.position_embeddings)
  return {
    'embedding': embedding(inside.embeddings.patch_embeddings.projection),
    'cls': array(inside.embeddings.cls_token),
    'Transformer': {
      'posembed_input': {'pos_embedding': positions},
      **{f'encoderblock_{i}': tree for i, tree in enumerate(blocks)},
      'encoder_norm': norm(inside.layernorm),
    },
    'output_projection': dense(model.classifier),
  }
