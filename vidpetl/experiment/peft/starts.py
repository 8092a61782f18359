"""What peft has taken out of a layer's own weight at the start.

PiSSA (Meng et al. 2024) and OLoRA (Büyükakyüz 2024) begin with B and A made of
the weight W, and train on W - s B A in its place. A file of theirs has the B'
and A' of the end alone, for a weight that is in no file. Read here, it is

    W + s (B' A' - B A)

which is plain LoRA of twice the rank: B and A are computed from W once more, as
peft itself does when it loads the file.
"""

from __future__ import annotations

import numpy as np

Factors = tuple[np.ndarray, np.ndarray]


def _pissa(weight: np.ndarray, rank: int, scale: float) -> Factors:
  u, s, v = np.linalg.svd(weight, full_matrices=False)
  root = np.sqrt(s[:rank] / scale)
  return u[:, :rank] * root, root[:, None] * v[:rank]


def _olora(weight: np.ndarray, rank: int, scale: float) -> Factors:
  del scale
  q, r = np.linalg.qr(weight.T)
  return r[:rank].T, q[:, :rank].T


KNOWN = {'pissa': _pissa, 'olora': _olora}


def factors(init: str, kernel: np.ndarray, rank: int, scale: float) -> Factors:
  """Returns A [in, r] and B [r, out], where s A B was taken out of W.

  Args:
    init: `init_lora_weights`, one of `KNOWN`.
    kernel: W, [in, ...], of which the rest is `out`.
    rank: r.
    scale: s.
  """
  weight = np.asarray(kernel, np.float64).reshape(len(kernel), -1)
  return KNOWN[init](weight, rank, scale)
