"""What a config.json beside a file says of it.

transformers, timm and open_clip publish weights with a config beside them. It
says what no array does: heads, activations, epsilons, of which clips tables of
positions are, how pixels are normalised, what the outputs of a classifier mean.
It becomes settings (see `settings`), which are held against the arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from etils import epath

from vidpetl.data import opening
from vidpetl.weights import family as family_lib
from vidpetl.weights import hugging_face, positions
from vidpetl.weights.errors import WeightsError

_OPEN_CLIP = 'open_clip_config.json'
_POOLS = {'token': 'cls', 'avg': 'mean'}
# Of a ViT of open_clip: channels of a head, hidden channels of an MLP's.
_HEAD_WIDTH, _MLP_RATIO = 64, 4.0


@dataclasses.dataclass(frozen=True)
class Beside:
  """What was found beside a file.

  Attributes:
    settings: see `settings`.
    labels: what the outputs of its classifier mean.
    source: path of the config, '' if there is none.
    notes: what a user should know of it.
  """

  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  labels: Mapping[int, str] = dataclasses.field(default_factory=dict)
  source: str = ''
  notes: tuple[str, ...] = ()

  def check(
    self,
    path: str,
    shown: Mapping[str, Any],
    tables: Mapping[str, int],
    told: Mapping[str, Any],
  ) -> None:
    """Holds the config against the arrays.

    Args:
      path: of the file.
      shown: fields of the backbone that its arrays show.
      tables: name -> number of positions.
      told: settings that a user gave, which precede the config's.

    Raises:
      WeightsError: naming both, and what differs.
    """
    for field, value in self.settings.items():
      if field in told or field not in shown:
        continue
      if not _same(shown[field], value):
        raise WeightsError(
          f'{self.source} has {field}={value!r}, and the arrays of {path} are '
          f'of a model with {field}={shown[field]!r}: it is another '
          f"model's. Move it away, or say --set {field}=…"
        )
    grid = self.settings.get('grid')
    if not grid or 'grid' in told:
      return
    if wrong := positions.misfit(tables, grid):
      raise WeightsError(
        f'{self.source} is not of {path}: its grid (t, h, w) = {grid} {wrong}. '
        'Move it away, or say --grid=t,h,w'
      )


def read(path: str, family: family_lib.Family) -> Beside:
  """Returns what lies beside a file, or in its folder.

  Args:
    path: of the file, or of a folder with one.
    family: of the file.

  Raises:
    WeightsError: if a config is of another model than the family's.
  """
  if not family.config:
    return Beside()
  folder = epath.Path(path)
  folder = folder if folder.is_dir() else folder.parent
  unread = []
  for name in (_OPEN_CLIP, hugging_face.CONFIG):
    config = _json(folder / name)
    if config is None:
      continue
    try:
      found = _understood(family, config, folder)
    except WeightsError as error:
      raise WeightsError(f'{folder / name}: {error}') from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
      raise WeightsError(
        f'{folder / name} is no config of such a model ({error!r}): move it '
        'away, or mend it'
      ) from None
    if found is None:
      unread.append(f'{folder / name} is of no {_kinds(family)}: not read')
      continue
    settings, labels = found
    said = ', '.join(f'{k}={v!r}' for k, v in settings.items())
    return Beside(
      settings, labels, str(folder / name), (f'{folder / name} says {said}',)
    )
  return Beside(notes=tuple(unread))


def _understood(family, config, folder) -> tuple[dict, dict] | None:
  """Returns settings and labels, None for a config of something else."""
  if 'model_cfg' in config:
    return _of_open_clip(family, config)
  if 'architecture' in config:
    return _timm(config) if family.config == 'timm' else None
  if 'model_config' in config:
    return _videomae_v2(config) if family.config == 'videomae' else None
  kind = family.config
  if not isinstance(kind, hugging_face.Kind):
    return None
  if config.get('model_type') not in kind.model_types:
    return None
  processor = _json(folder / kind.preprocessing) or {}
  return {
    **hugging_face.read_settings(kind, config),
    **hugging_face.read_pixels(kind, processor),
  }, hugging_face.read_labels(config)


def _of_open_clip(family, config) -> tuple[dict, dict] | None:
  """Returns what open_clip's config says of its own tower, or of timm's."""
  if family.config == 'open_clip':
    return _open_clip(config)
  is_timms = config['model_cfg']['vision_cfg'].get('timm_model_name')
  pixels = _normalised(config.get('preprocess_cfg') or {})
  if family.config == 'timm' and is_timms and pixels:
    return pixels, {}
  return None


def _kinds(family) -> str:
  kind = family.config
  if isinstance(kind, hugging_face.Kind):
    return f'model_type {" or ".join(kind.model_types)}'
  return f'config of {kind}'


def _open_clip(config: Mapping[str, Any]) -> tuple[dict, dict]:
  model = config['model_cfg']
  tower = model['vision_cfg']
  if tower.get('timm_model_name'):
    raise WeightsError(f'a tower of timm, {tower["timm_model_name"]}')
  width, patch = tower['width'], tower['patch_size']
  found = {
    'width': width,
    'depth': tower['layers'],
    'heads': width // tower.get('head_width', _HEAD_WIDTH),
    'mlp': int(width * tower.get('mlp_ratio', _MLP_RATIO)),
    'patch': patch,
    'activation': 'quick_gelu' if model.get('quick_gelu') else 'gelu',
    'grid': _images(tower['image_size'], patch),
  }
  if 'eps' in (kwargs := tower.get('norm_kwargs') or {}):
    found['epsilon'] = kwargs['eps']
  return found | _normalised(config.get('preprocess_cfg') or {}), {}


def _timm(config: Mapping[str, Any]) -> tuple[dict, dict]:
  pretrained = config.get('pretrained_cfg') or {}
  options = config.get('model_args') or {}
  names = {'embed_dim': 'width', 'depth': 'depth', 'num_heads': 'heads'}
  names['patch_size'] = 'patch'
  found = {ours: options[n] for n, ours in names.items() if n in options}
  if 'num_features' in config:
    found.setdefault('width', config['num_features'])
  if 'quickgelu' in config['architecture']:
    found['activation'] = 'quick_gelu'
  if config.get('global_pool') in _POOLS:
    found['summary'] = _POOLS[config['global_pool']]
  labels = dict(enumerate(config.get('label_names') or ()))
  return found | _normalised(pretrained), labels


def _videomae_v2(config: Mapping[str, Any]) -> tuple[dict, dict]:
  """Returns what the configs of VideoMAE V2 at Hugging Face say."""
  model = config['model_config']
  names = {
    'embed_dim': 'width',
    'depth': 'depth',
    'num_heads': 'heads',
    'patch_size': 'patch',
    'tubelet_size': 'tubelet',
    'layer_norm_eps': 'epsilon',
  }
  found = {
    ours: model[theirs] for theirs, ours in names.items() if theirs in model
  }
  return found, hugging_face.read_labels(config)


def _normalised(config: Mapping[str, Any]) -> dict[str, Any]:
  found = {k: config[k] for k in ('mean', 'std') if config.get(k) is not None}
  return found if len(found) == 2 else {}


def _images(size: Any, patch: int) -> tuple[int, int, int]:
  height, width = size if isinstance(size, (list, tuple)) else (size, size)
  return (1, height // patch, width // patch)


def _json(path: epath.Path) -> Any:
  """Returns what a file holds, None if there is none or it is no object."""
  if not path.exists():
    return None
  try:
    found = opening.read_json(path, object)
  except opening.ContentError as error:
    raise WeightsError(str(error)) from None
  return found if isinstance(found, dict) else None


def _same(a: Any, b: Any) -> bool:
  plain = lambda x: tuple(x) if isinstance(x, (list, tuple)) else x
  return plain(a) == plain(b)
