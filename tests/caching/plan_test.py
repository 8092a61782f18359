"""What cannot be kept is refused, by the field that is in the way."""

import pytest

from vidpetl.recipes import presets
from vidpetl.training import run as run_lib

FROZEN = (('backbone/.*', 'frozen'), ('.*', 'all'))
_LORA = {'site': 'attn_qkv', 'technique': 'lora', 'rank': 2, 'dropout': 0.1}
_CLIP = 'tasks.kinetics400.clip.'
_AUGMENT = 'tasks.kinetics400.augment.'
_R3D = presets.find('r3d_18')
_R3D = {**_R3D.fields, **_R3D.tiny}
# Fields, and what the error names.
REFUSED = {
  'a backbone that trains': (
    {'trainable': (('.*', 'all'),)},
    r'arrays of the backbone train \(config.trainable\), the first being back',
  ),
  'a technique that trains': (
    {
      'petl': (_LORA,),
      'trainable': (('/site_', 'all'), *FROZEN),
    },
    r'arrays of the backbone train .*site_',
  ),
  'stochastic depth': (
    {'backbone.stochastic_depth': 0.1, 'backbone.depth': 2},
    r'at random in training: config.backbone.stochastic_depth=0.1',
  ),
  'dropout of a technique': (
    {'petl': (_LORA,)},
    r'at random in training: config.petl\[0\].dropout=0.1',
  ),
  'normalising by the batch': (
    {'backbone': _R3D},
    r"Set config.backbone.norm_statistics='frozen'",
  ),
  'mixing': ({_AUGMENT + 'mixup': 0.2}, r'kinetics400.augment.mixup and cutm'),
  'moments that are drawn': (
    {'cache.views': 0},
    r"cache.views=0 .*kinetics400.clip: sampling='stride' draws moments",
  ),
  'crops that are drawn': (
    {'cache.views': 0, _CLIP + 'resize': 'crop'},
    r'kinetics400.clip: crops are drawn; with centred=True',
  ),
  'mirroring': (
    {'cache.views': 0, _AUGMENT + 'flip': True},
    r'kinetics400.augment: flip=True \(False is none\)',
  ),
}


@pytest.fixture
def make(make_config):
  """Returns a function that makes a frozen run with a cache of two views."""

  def make(**fields):
    config = make_config('kinetics400')
    config.unlock()
    config.cache = {'path': '/nowhere', 'views': 2}
    config.trainable = FROZEN
    config.backbone.stochastic_depth = 0.0
    config.tasks.kinetics400.augment.flip = False
    if 'backbone' in fields:
      config.backbone = fields.pop('backbone')
    config.update_from_flattened_dict(fields)
    return config.lock()

  return make


@pytest.mark.parametrize('case', REFUSED)
def test_what_would_be_wrong_is_refused(make, case):
  fields, told = REFUSED[case]
  with pytest.raises(ValueError, match=told):
    run_lib.prepare(make(**fields))


def test_what_stands_still_is_not(make):
  technique = {**_LORA, 'dropout': 0.0}
  run = run_lib.prepare(make(petl=(technique,)))
  parts = run.cache.parts
  assert [parts['kinetics400', train].views for train in (True, False)] == [
    2,
    1,
  ]
  kept = {name for name in parts['kinetics400', True].layout if '/' in name}
  assert kept == {'features/summary'}
