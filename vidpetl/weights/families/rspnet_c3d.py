"""RSPNet's C3D with BatchNorm (model_best_c3d_200epoch.pth.tar).

See `weights.rspnet`. Traps: convolutions have biases, and none but the first
two stages is called by its number alone.
"""

from vidpetl.weights import convnets, rspnet

_LAYERS = {
  '1': 'conv1/a',
  '2': 'conv2/a',
  **{f'{n}{letter}': f'conv{n}/{letter}' for n in '345' for letter in 'ab'},
}

FAMILY = rspnet.make(
  'c3d',
  [
    each
    for theirs, ours in _LAYERS.items()
    for each in convnets.unit(f'conv{theirs}', f'bn{theirs}', ours, bias=True)
  ],
  convnets.c3d_layout,
)
