"""The official structures, written in PyTorch from their descriptions.

They take vidpetl's parameters by path, as leaves, so that gradients have the
same names. Rows are [frames of all clips, tokens, d], as these codes have them.
"""

import math

import torch
from torch.nn import functional as F

CLIP_EPSILON, MAE_EPSILON, TORCH_EPSILON = 1e-5, 1e-6, 1e-5


class Scope:
  """Parameters below a path."""

  def __init__(self, flat, path=''):
    self.flat, self.path = flat, path

  def __call__(self, name):
    return Scope(self.flat, f'{self.path}{name}/')

  def __getitem__(self, name):
    return self.flat[self.path + name]

  def has(self, name):
    return any(path.startswith(self.path + name) for path in self.flat)


def linear(x, p):
  return F.linear(x, p['kernel'].T, p['bias'])


def norm(x, p, epsilon):
  return F.layer_norm(x, x.shape[-1:], p['scale'], p['bias'], epsilon)


def quick_gelu(x):
  return x * torch.sigmoid(1.702 * x)


def attention(x, p, edit=lambda q, k, v: (q, k, v), mask=None):
  """Maps [..., n, d] to the same; `edit` changes (q, k, v) [..., h, n, c]."""
  q, k, v = (
    torch.einsum('...nd,dhc->...hnc', x, p(name)['kernel'])
    + p(name)['bias'][:, None]
    for name in ('query', 'key', 'value')
  )
  y = F.scaled_dot_product_attention(*edit(q, k, v), attn_mask=mask)
  return (
    torch.einsum('...hnc,hcd->...nd', y, p('out')['kernel']) + p('out')['bias']
  )


class Block:
  """The parts of a pre-norm block.

  Attributes:
    p: its parameters.
    t: frames of a clip.
  """

  def __init__(self, p, t, epsilon=CLIP_EPSILON, activation=quick_gelu):
    self.p, self.t = p, t
    self.epsilon, self.activation = epsilon, activation

  def ln(self, x, number):
    return norm(x, self.p(f'LayerNorm_{number - 1}'), self.epsilon)

  def attend(self, x):
    return attention(x, self.p('MultiHeadDotProductAttention_0'))

  def mlp(self, x):
    p = self.p('MlpBlock_0')
    return linear(self.activation(linear(x, p('Dense_0'))), p('Dense_1'))


def plain(block, x):
  x = x + block.attend(block.ln(x, 1))
  return x + block.mlp(block.ln(x, 2))


def bottleneck(x, p, activation=F.relu, join=''):
  return linear(activation(linear(x, p(f'{join}down'))), p(f'{join}up'))


def aim(block, x, scale, two):
  """AIM: the frozen attention over time, then over space; then the MLP."""
  p, n = block.p, x.shape[1]

  def turned(x, outer, inner):
    x = x.reshape(-1, outer, inner, x.shape[-1]).transpose(1, 2)
    return x.reshape(-1, outer, x.shape[-1])

  h = turned(block.ln(x, 1), block.t, n)
  temporal = p('site_block_in')('AIM')
  if two:
    h = h + bottleneck(h, temporal, F.gelu, 'inner_')
  h = bottleneck(block.attend(h), temporal, F.gelu)
  x = x + turned(h, n, block.t)
  h = block.attend(block.ln(x, 1))
  x = x + h + bottleneck(h, p('site_attn')('Adapter'), F.gelu)
  h = block.ln(x, 2)
  joint = bottleneck(h, p('site_mlp')('Adapter'), F.gelu)
  return x + block.mlp(h) + scale * joint


def depthwise(x, p):
  """Convolves volumes [b, t, h, w, c], zeros around."""
  kernel = p['kernel']
  out = F.conv3d(
    x.permute(0, 4, 1, 2, 3),
    kernel.permute(3, 0, 1, 2)[:, None],
    p['bias'],
    padding=[size // 2 for size in kernel.shape[:3]],
    groups=kernel.shape[-1],
  )
  return out.permute(0, 2, 3, 4, 1)


def volume(x, t):
  side = math.isqrt(x.shape[1])
  return x.reshape(-1, t, side, side, x.shape[-1])


def st_adapter(x, p, t):
  """Class tokens stay; patches go through fc1, the convolution and fc2."""
  cls, patches = x[:, :1], x[:, 1:]
  h = depthwise(volume(linear(patches, p('down')), t), p('conv'))
  h = linear(h.reshape(*patches.shape[:2], -1), p('up'))
  return torch.cat([cls, patches + h], 1)


def st_adapted(block, x):
  """ST-Adapter: before the MLP, and before the attention where there is one."""
  for site, branch, number in (
    ('site_block_in', block.attend, 1),
    ('site_attn_residual', block.mlp, 2),
  ):
    if block.p.has(site):
      x = st_adapter(x, block.p(site)('STAdapter'), block.t)
    x = x + branch(block.ln(x, number))
  return x


def mst_adapter(x, p, t, cls):
  """MST-Adapter, eq. 6 to 9; class tokens see their own moments, or pass."""

  def convolved(h, p):
    grid = depthwise(volume(h[:, 1:], t), p).reshape(h[:, 1:].shape)
    size = p['kernel'].shape
    line = p['kernel'][:, size[1] // 2, size[2] // 2].T[:, None]
    token = h[:, 0].reshape(-1, t, h.shape[-1]).mT
    token = F.conv1d(
      token, line, p['bias'], padding=size[0] // 2, groups=len(line)
    )
    return torch.cat([token.mT.reshape(-1, 1, h.shape[-1]), grid], 1)

  h = linear(x, p('down'))
  branches = [i for i in range(3) if p.has(f'conv_{i}')]
  weights = p['fusion'] if p.has('fusion') else [1 / len(branches)] * 3
  z = h + sum(weights[i] * convolved(h, p(f'conv_{i}')) for i in branches)
  if p.has('pointwise'):
    last = p('pointwise')
    is_dense = last['kernel'].ndim == 2
    z = z + (linear(z, last) if is_dense else convolved(z, last))
  update = linear(z, p('up'))
  if not cls:
    update = torch.cat([torch.zeros_like(update[:, :1]), update[:, 1:]], 1)
  return x + update


def shifted(x, t, div):
  """Class tokens: d / div channels of the next frame, d / div of the last."""
  d = x.shape[-1]
  part, token = d // div, x[:, 0].reshape(-1, t, d)
  out = token.clone()
  out[..., : 2 * part] = 0
  out[:, :-1, :part] = token[:, 1:, :part]
  out[:, 1:, part : 2 * part] = token[:, :-1, part : 2 * part]
  return torch.cat([out.reshape(-1, 1, d), x[:, 1:]], 1)


def tokshift(block, x, div=4):
  """TokShift: the residual stream is shifted before both branches."""
  x = shifted(x, block.t, div)
  x = x + block.attend(block.ln(x, 1))
  x = shifted(x, block.t, div)
  return x + block.mlp(block.ln(x, 2))


def mst(block, x, placement, cls=True):
  """MST-Adapter's Figure 5, with the shift inside of the attention."""
  p, t = block.p, block.t

  def adapt(x, site):
    return mst_adapter(x, p(f'site_{site}')('MSTAdapter'), t, cls)

  for f, number in (('attn', 1), ('mlp', 2)):
    if placement == 'pre_norm':
      x = adapt(x, {'attn': 'block_in', 'mlp': 'attn_residual'}[f])
    h = block.ln(x, number)
    if f == 'attn':
      h = shifted(h, t, 4)
    if placement == 'post_norm':
      h = adapt(h, f'{f}_in')
    h = block.attend(h) if f == 'attn' else block.mlp(h)
    x = x + (adapt(h, f) if placement == 'pre_residual' else h)
    if placement == 'post_residual':
      x = adapt(x, f'{f}_residual')
  return x


def vpt_deep(block, x, patches):
  """VPT: prompts behind the class token, others in each block."""
  prompts = block.p('site_block_in')('Prompt')['tokens']
  prompts = prompts.expand(len(x), *prompts.shape)
  return plain(block, torch.cat([x[:, :1], prompts, x[:, -patches:]], 1))


def adaptformer(block, x, mode, layer_norm, scale):
  """AdaptFormer: beside the MLP and its LayerNorm, or behind the MLP."""
  x = x + block.attend(block.ln(x, 1))
  f = block.mlp(block.ln(x, 2))
  parallel = mode == 'parallel'
  p = block.p('site_mlp_residual' if parallel else 'site_mlp')('Adapter')
  h = x if parallel else f
  scale = p['scale'] if p.has('scale') else scale
  if layer_norm == 'in':
    h = norm(h, p('norm'), TORCH_EPSILON)
  h = scale * bottleneck(h, p)
  if layer_norm == 'out':
    h = norm(h, p('norm'), TORCH_EPSILON)
  return x + f + h


def lora_merged(flat, alpha):
  """Parameters in which W + (alpha / r) A B takes the place of W."""
  merged = dict(flat)
  for path, a in flat.items():
    if not path.endswith('_a'):
      continue
    b, name = flat[f'{path[:-1]}b'], path.rpartition('/')[2].removesuffix('_a')
    kernel = f'{path.partition("site_")[0]}{name}/kernel'
    update = torch.einsum('dr,rhc->dhc', a, b) * alpha / len(b)
    merged[kernel] = flat[kernel] + update
  return merged


def of_frames(flat, video, run, summary):
  """An image ViT on each frame: CLIP, or MAE where there is no pre_norm.

  Args:
    flat: parameters.
    video: [b, t, H, W, 3].
    run: (block, x) -> x.
    summary: 'norm_mean' or 'mean_norm' of class tokens, 'mean' of patches.

  Returns:
    The summary [b, d], and the normalised patches.
  """
  p, (b, t) = Scope(flat), video.shape[:2]
  inner = p('SpatialTransformer')
  is_clip = inner.has('pre_norm')
  options = {} if is_clip else {'epsilon': MAE_EPSILON, 'activation': F.gelu}
  kernel = p('embedding')['kernel'][0]
  x = F.conv2d(
    video.flatten(0, 1).permute(0, 3, 1, 2),
    kernel.permute(3, 2, 0, 1),
    None if is_clip else p('embedding')['bias'],
    stride=kernel.shape[0],
  )
  x = x.flatten(2).mT
  patches = x.shape[1]
  x = torch.cat([p['cls'].expand(len(x), 1, -1), x], 1)
  x = x + inner('posembed_input')['pos_embedding']
  if inner.has('site_tokens'):
    moments = inner('site_tokens')('TimeEmbedding')['table']
    x = x + moments.repeat(b, 1)[:, None]
  if is_clip:
    x = norm(x, inner('pre_norm'), CLIP_EPSILON)
  number = 0
  while inner.has(f'encoderblock_{number}/'):
    x = run(Block(inner(f'encoderblock_{number}'), t, **options), x)
    number += 1
  last = lambda y: norm(y, p('norm'), CLIP_EPSILON if is_clip else MAE_EPSILON)
  read = x[:, -patches:].mean(1) if summary == 'mean' else x[:, 0]
  read = read.reshape(b, t, -1)
  read = last(read.mean(1)) if summary == 'mean_norm' else last(read).mean(1)
  return read, last(x[:, -patches:])
