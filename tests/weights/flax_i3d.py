"""I3D of Flax's layers, padded as TensorFlow pads, under DeepMind's names.

Plain layers, put together as the publication describes.
"""

import flax.linen as nn
import jax.numpy as jnp

WIDTHS = {
  '3b': (64, 96, 128, 16, 32, 32),
  '3c': (128, 128, 192, 32, 96, 64),
  '4b': (192, 96, 208, 16, 48, 64),
  '4c': (160, 112, 224, 24, 64, 64),
  '4d': (128, 128, 256, 24, 64, 64),
  '4e': (112, 144, 288, 32, 64, 64),
  '4f': (256, 160, 320, 32, 128, 128),
  '5b': (256, 160, 320, 32, 128, 128),
  '5c': (384, 192, 384, 48, 128, 128),
}
POOLS = {'4b': ((3, 3, 3), (2, 2, 2)), '5b': ((2, 2, 2), (2, 2, 2))}


class Unit(nn.Module):
  width: int
  kernel: int = 1
  stride: int = 1

  @nn.compact
  def __call__(self, x):
    kernel, strides = (self.kernel,) * 3, (self.stride,) * 3
    x = nn.Conv(self.width, kernel, strides, padding='SAME', use_bias=False)(x)
    norm = nn.BatchNorm(True, epsilon=1e-3, use_scale=False)
    return nn.relu(norm(x))


class Mixed(nn.Module):
  widths: tuple

  @nn.compact
  def __call__(self, x):
    a, b, c, d, e, f = self.widths
    unit = lambda width, kernel, name: Unit(
      width,
      kernel,
      name=f'Branch_{name[0]}/Conv3d_0{name[1]}_{kernel}x{kernel}',
    )
    pooled = nn.max_pool(x, (3, 3, 3), (1, 1, 1), 'SAME')
    return jnp.concatenate(
      [
        unit(a, 1, '0a')(x),
        unit(c, 3, '1b')(unit(b, 1, '1a')(x)),
        unit(e, 3, '2b')(unit(d, 1, '2a')(x)),
        unit(f, 1, '3b')(pooled),
      ],
      -1,
    )


class I3D(nn.Module):
  """Features [b, t, h, w, d]; logits of these where `logits`."""

  width: int = 64
  classes: int = 400
  logits: bool = False

  @nn.compact
  def __call__(self, x):
    of = lambda width: width * self.width // 64
    halve = lambda x: nn.max_pool(x, (1, 3, 3), (1, 2, 2), 'SAME')
    x = halve(Unit(of(64), 7, 2, name='Conv3d_1a_7x7')(x))
    x = Unit(of(64), name='Conv3d_2b_1x1')(x)
    x = halve(Unit(of(192), 3, name='Conv3d_2c_3x3')(x))
    for name, widths in WIDTHS.items():
      if name in POOLS:
        x = nn.max_pool(x, *POOLS[name], 'SAME')
      x = Mixed(tuple(map(of, widths)), name=f'Mixed_{name}')(x)
    last = Last(self.classes, name='Logits/Conv3d_0c_1x1')
    logits = last(nn.avg_pool(x, (2, *x.shape[2:4])))
    return logits.mean((1, 2, 3)) if self.logits else x


class Last(nn.Module):
  classes: int

  @nn.compact
  def __call__(self, x):
    return nn.Conv(self.classes, (1, 1, 1))(x)
