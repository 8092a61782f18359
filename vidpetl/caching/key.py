"""What the features of a clip depend on, as names of folders and of entries.

A folder of a cache holds the clips of one way of encoding: the frozen backbone
to the bit, its config and techniques, how clips are cut and changed, what is
kept and as what. An entry is a clip: its annotation, its video's bytes as far
as `data.contents` tells them, and, where something is drawn, the seed of a
showing. So folds, splits, subsets and seeds share what they have in common.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl.caching import plan
from vidpetl.data import contents, examples, index
from vidpetl.parameters import storage, variables

FORMAT = 1
SIZE = 16  # bytes of an entry's name
_THREADS = 16


def about(config: Any, trunk: str, part: plan.Part) -> dict[str, Any]:
  """Returns all that a folder of a cache is for, as json has it.

  Args:
    config: of the run.
    trunk: `of_trunk` of its parameters.
    part: of the plan.
  """
  backbone = config.backbone.to_dict()
  for field in ('remat', 'scan'):  # What is computed is the same.
    backbone.pop(field, None)
  told = {
    'format': FORMAT,
    'trunk': trunk,
    'backbone': backbone,
    'petl': list(config.petl),
    'dtype': config.dtype,
    'kept': config.cache.dtype,
    **part.about,
  }
  return json.loads(json.dumps(told, default=_plain))


def _plain(value: Any) -> Any:
  return value.to_dict() if hasattr(value, 'to_dict') else str(value)


def folder(about: Mapping[str, Any]) -> str:
  """Returns the name of a folder."""
  text = json.dumps(about, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_trunk(tree: Mapping[str, Any]) -> str:
  """Returns a hash of the backbone's parameters and statistics.

  All processes must call it.

  Args:
    tree: variables of a model.
  """
  own = {
    kind: tree[kind]['backbone']
    for kind in ('params', variables.STATISTICS)
    if 'backbone' in tree.get(kind, {})
  }
  return storage.tree_hash(own)


@dataclasses.dataclass(frozen=True)
class Entries:
  """The entries of a source's clips.

  Attributes:
    names: uint8 [views, n, SIZE].
    seeds: uint32 [views, n, 2], of the showings.
  """

  names: np.ndarray
  seeds: np.ndarray


def entries(source: examples.Source, part: plan.Part) -> Entries:
  """Returns the entries of a source.

  Args:
    source: of the clips.
    part: of the plan.
  """
  views, n = part.views, len(source)
  names = np.zeros((views, n, SIZE), np.uint8)
  seeds = np.zeros((views, n, 2), np.uint32)
  info = source.info
  shared = f'{info.name} {info.fps} {info.num_classes}'
  if part.spec.paired:  # A partner may be any of them.
    shared += f' {info.fingerprint} {contents.fingerprint(source)}'
  videos = _videos(source)
  for i in range(n):
    annotation = source[i]
    base = hashlib.blake2b(shared.encode(), digest_size=SIZE)
    base.update(_of(annotation).encode() + b'\x1f' + videos[i])
    for view in range(views):
      seed = _seed(info, annotation.id, i, view, part)
      seeds[view, i] = seed
      entry = base.copy()
      entry.update(seed.tobytes() if part.drawn else b'')
      names[view, i] = np.frombuffer(entry.digest(), np.uint8)
  return Entries(names, seeds)


def _seed(
  info: examples.Info, name: str, i: int, view: int, part: plan.Part
) -> np.ndarray:
  """Returns the key of a showing, the same for runs of all seeds."""
  if not part.train:  # That of evaluations without a cache.
    return index.example_seed(0, info.name, i)
  return index.words(1, 'view', info.name, name, view).view(np.uint32)


def _videos(source: examples.Source) -> list[bytes]:
  """Returns what tells the video of each example."""
  if source.info.files:
    return [contents.fingerprint(source).encode()] * len(source)
  paths = [source.video(i) for i in range(len(source))]
  files = list({path for path in paths if isinstance(path, str)})
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    known = dict(zip(files, pool.map(contents.of_file, files)))
  return [
    known[path] if isinstance(path, str) else hashlib.sha256(path).digest()
    for path in paths
  ]


def _of(value: Any) -> str:
  """Returns a text that two annotations share if they are alike."""
  if dataclasses.is_dataclass(value):
    fields = dataclasses.fields(value)
    return repr([(f.name, _of(getattr(value, f.name))) for f in fields])
  if isinstance(value, np.ndarray) and value.dtype != object:
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return f'{value.dtype} {value.shape} {digest}'
  return repr(value)
