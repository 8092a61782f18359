"""torchvision, whose build may be for another PyTorch than the one here.

Its operators in C++ are missing then, and with them two names without which it
refuses to be imported, by transformers and timm as well; models need neither.
"""

import sys

_kept = []


def load():
  """Imports torchvision before anything else does."""
  import torch  # noqa: PLC0415

  try:
    import torchvision  # noqa: PLC0415
  except RuntimeError:
    for name in [n for n in sys.modules if n.startswith('torchvision')]:
      del sys.modules[name]
    library = torch.library.Library('torchvision', 'DEF')
    for name in ('nms', 'qnms'):
      library.define(
        f'{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor'
      )
    _kept.append(library)  # It defines them as long as it lives.
    import torchvision  # noqa: PLC0415
  return torchvision
