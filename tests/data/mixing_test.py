"""Mixup and CutMix: shares of pixels and of labels, partners, losses."""

import functools

import jax
import numpy as np
import pytest
from augment_batches import SIDE, make_batch, noise

from vidpetl.data import augment, examples, mixing
from vidpetl.tasks import task as task_lib

PLAIN = {'scale_jitter': None, 'box_jitter': 0.0, 'flip': False}
COUNT = 200


def settings(**fields):
  return augment.Augment(**{**PLAIN, **fields})


@functools.cache
def flat(count=COUNT, height=40, width=30):
  """Returns a batch: half its clips are black, and their partners white."""
  contents = [np.zeros((1, height, width, 3), np.uint8)] * (count // 2)
  contents += [np.full((1, height, width, 3), 255, np.uint8)] * (count // 2)
  return make_batch(contents) | {'valid': np.ones(count, bool)}


def mixed(batch, **fields):
  out = augment.preprocess(batch, settings(**fields), train=True)
  return {k: np.array(v) for k, v in out.items()}


def test_mixup_has_the_share_of_the_labels():
  out = mixed(flat(), mixup=0.8)
  share = out[mixing.SHARE]
  content = out['video'][:, 0, :40, :30]
  own = np.where(np.arange(COUNT) < COUNT // 2, -1.0, 1.0)
  expected = (2 * share - 1) * own
  np.testing.assert_allclose(
    content, np.broadcast_to(expected[:, None, None, None], content.shape),
    atol=1e-5,
  )  # fmt: skip
  # Padding stays.
  assert (
    not out['video'][:, :, 40:].any() and not out['video'][..., 30:, :].any()
  )


def test_shares_are_of_the_beta_distribution():
  # Beta(a, a) has a standard deviation of 1 / sqrt(4 (2 a + 1)).
  share = mixed(flat(1000, 2, 2), mixup=0.8)[mixing.SHARE]
  assert share.mean() == pytest.approx(0.5, abs=0.03)
  assert share.std() == pytest.approx(1 / np.sqrt(4 * 2.6), abs=0.015)
  assert len(np.unique(share)) > 990


def test_cutmix_has_the_share_of_the_labels():
  out = mixed(flat(), cutmix=1.0)
  content = out['video'][:, 0, :40, :30, 0]
  own = np.where(np.arange(COUNT) < COUNT // 2, -1.0, 1.0)[:, None, None]
  other = np.isclose(content, -own)
  np.testing.assert_allclose(
    1 - other.mean((1, 2)), out[mixing.SHARE], atol=1e-6
  )
  assert (other | np.isclose(content, own)).all()
  rows, columns = other.any(2), other.any(1)
  np.testing.assert_array_equal(other, rows[:, :, None] & columns[:, None])
  assert 0.5 < out[mixing.SHARE].mean() < 0.75


def test_one_of_both():
  fields = {'mixup': 0.8, 'cutmix': 1.0, 'mixing_p': 0.6, 'cutmix_p': 0.25}
  out = mixed(flat(), **fields)
  content = out['video'][:, 0, :40, :30, 0]
  is_mixup = (np.abs(content) < 0.999).all((1, 2))
  assert is_mixup.mean() == pytest.approx(0.6 * 0.75, abs=0.1)
  changed = out[mixing.SHARE] < 1
  # CutMix's box is empty at times.
  assert 0.45 < changed.mean() < 0.7


def test_a_box_lies_in_the_content_of_both():
  contents = [noise(48, 20)] * 50 + [noise(24, 48)] * 50
  batch = make_batch(contents) | {'valid': np.ones(100, bool)}
  out = mixed(batch, cutmix=1.0)
  plain = augment.preprocess(batch, settings(), train=False)['video']
  changed = (np.abs(out['video'] - np.array(plain)) > 1e-5).any((1, -1))
  assert changed.any() and not changed[:, 24:].any()
  assert not changed[:, :, 20:].any()


def test_nothing_is_mixed_with_what_could_not_be_decoded():
  valid = np.arange(COUNT) % 5 != 0
  for fields in ({'mixup': 0.8}, {'cutmix': 1.0}):
    out = mixed(flat() | {'valid': valid}, **fields)
    alone = ~np.roll(valid, COUNT // 2)
    assert (out[mixing.SHARE][alone] == 1).all()
    assert (out[mixing.SHARE][~alone] < 1).mean() > 0.8
    content = out['video'][:, 0, :40, :30]
    np.testing.assert_allclose(np.abs(content[alone]), 1, atol=1e-6)


def test_parts_of_a_batch_are_mixed_as_the_whole():
  """As gradient accumulation takes them: every k-th row."""
  contents = [noise(40, 30, seed=i) for i in range(16)]
  batch = make_batch(contents) | {'valid': np.arange(16) != 3}
  fields = {'mixup': 0.8, 'cutmix': 1.0}
  whole = mixed(batch, **fields)
  assert (whole[mixing.SHARE] < 1).sum() > 10
  for parts in (2, 4):
    for part in range(parts):
      rows = {k: v[part::parts] for k, v in batch.items()}
      out = mixed(rows, **fields)
      for key in ('video', mixing.SHARE):
        np.testing.assert_allclose(out[key], whole[key][part::parts], atol=1e-6)


def test_rows_without_partners_are_refused():
  batch = {k: v[:3] for k, v in flat().items()}
  with pytest.raises(ValueError, match='even number of clips, not 3'):
    mixed(batch, mixup=0.8)


def test_boxes_and_pairs_are_refused():
  batch = make_batch([noise(48, 48)] * 2, [[[0, 0, 1, 1]]] * 2)
  with pytest.raises(ValueError, match=r'cutmix.*clips with boxes'):
    mixed(batch, cutmix=1.0)
  pairs = flat() | {'video': np.stack([flat()['video']] * 2, axis=1)}
  with pytest.raises(ValueError, match='two clips'):
    mixed(pairs, mixup=0.8)


@pytest.mark.parametrize(
  'fields',
  [{'mixup': -1}, {'cutmix': -0.1}, {'mixing_p': 2}, {'cutmix_p': -1}],
)
def test_mistakes_are_named(fields):
  with pytest.raises(ValueError, match=next(iter(fields))):
    augment.Augment(**fields)


# ---------------------------------------------------------------------- losses

CLASSES = dict(enumerate('abcd'))


def build(kind, **options):
  info = examples.Info('mine', 'train', kind, 4, CLASSES)
  return task_lib.build('mine', {'task': kind, **options}, info)


def soft_batch():
  rng = np.random.default_rng(0)
  return {
    'label': np.array([0, 3, 1, 2, 3, 0]),
    'labels': (rng.random((6, 4)) < 0.5).astype(np.float32),
    'valid': np.array([True, True, True, True, False, True]),
    mixing.SHARE: np.array([0.7, 1, 0.2, 0.9, 0.3, 0.4], np.float32),
  }


LOGITS = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)


def soft_targets(own, share):
  """Returns the mixture with the row half a batch away."""
  other = own[[3, 4, 5, 0, 1, 2]]
  return share[:, None] * own + (1 - share[:, None]) * other


def test_cross_entropy_of_soft_labels():
  batch = soft_batch()
  task = build('classification', label_smoothing=0.1)
  total, terms, scalars = task.loss(LOGITS, batch)
  smooth = 0.9 * np.eye(4)[batch['label']] + 0.1 / 4
  target = soft_targets(smooth, batch[mixing.SHARE])
  likelihood = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
  by_hand = -(target * likelihood).sum(1)
  assert total == pytest.approx(by_hand[batch['valid']].sum(), rel=1e-5)
  assert terms == 5
  right = LOGITS.argmax(1) == target.argmax(1)
  assert scalars['accuracy'] == right[batch['valid']].sum()
  # Row 2's clip is mostly row 5's.
  assert target.argmax(1)[2] == batch['label'][5] != batch['label'][2]


def test_sigmoid_cross_entropy_of_soft_labels():
  batch = soft_batch()
  total, *_ = build('multilabel').loss(LOGITS, batch)
  target = soft_targets(batch['labels'], batch[mixing.SHARE])
  p = 1 / (1 + np.exp(-LOGITS.astype(float)))
  by_hand = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(1)
  assert total == pytest.approx(by_hand[batch['valid']].sum(), rel=1e-5)


@pytest.mark.parametrize(
  'kind, config',
  [
    ('localisation', {'task': 'localisation'}),
    ('unlabelled', {'task': 'pretext.vspp', 'clip': {'sampling': 'vspp'}}),
  ],
)
def test_tasks_without_labels_refuse(kind, config):
  info = examples.Info('mine', 'train', kind, 4, CLASSES)
  config['augment'] = {'mixup': 0.8}
  with pytest.raises(ValueError, match='are for clips with class labels'):
    task_lib.build('mine', config, info)


class Draws:
  """Gives timm the draws of ours: its `np.random`."""

  def __init__(self, keys):
    split = [jax.random.split(key, 3) for key in keys]
    uniform = [np.array(jax.random.uniform(key, (4,))) for key, *_ in split]
    chance, way, self.top, self.left = np.stack(uniform, axis=1)
    self.rands = iter((way, chance))
    draw = lambda i, a: [float(jax.random.beta(s[i], a, a)) for s in split]
    # timm asks for CutMix's first, by its alpha.
    self.betas = {1.0: draw(2, 1.0), 0.8: draw(1, 0.8)}
    self.cuts = way < 0.5
    self.middles = None

  def rand(self, count):
    return next(self.rands)

  def beta(self, alpha, _, size):
    rows = [i for i in range(size) if self.cuts[i]]
    self.middles = iter([x for i in rows for x in (self.top[i], self.left[i])])
    return np.array(self.betas[alpha])

  def randint(self, low, high, size=None):
    return low + int(next(self.middles) * (high - low))


@pytest.mark.torch
def test_clips_and_targets_are_timms(monkeypatch):
  torch = pytest.importorskip('torch')
  import torchvision_build  # noqa: PLC0415

  torchvision_build.load()
  from timm.data import mixup  # noqa: PLC0415

  rng = np.random.default_rng(0)
  size, valid = np.full((2, 2), SIDE, np.int32), np.ones(2, bool)
  options = {'mixup': 0.8, 'cutmix': 1.0, 'p': 1.0, 'cutmix_p': 0.5}
  mix = jax.jit(functools.partial(mixing.augment, **options))
  ways = set()
  for seed in range(12):
    # Of two rows, the partners are the same here and there.
    video = rng.normal(size=(2, 3, SIDE, SIDE, 3)).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed), 2)
    ours, share = mix(keys, video, size, valid)
    theirs = mixup.Mixup(0.8, 1.0, mode='elem', num_classes=4)
    draws = Draws(keys)
    ways.update(draws.cuts.tolist())
    with monkeypatch.context() as patch:
      patch.setattr(mixup.np, 'random', draws)
      # It cuts the last two axes of [b, c, h, w].
      stacked = np.moveaxis(video, -1, 2).reshape(2, 9, SIDE, SIDE)
      clips, target = theirs(torch.tensor(stacked), torch.tensor([1, 3]))
    clips = clips.numpy().reshape(2, 3, 3, SIDE, SIDE)
    np.testing.assert_allclose(ours, np.moveaxis(clips, 2, -1), atol=1e-5)
    smooth = 0.9 * np.eye(4)[[1, 3]] + 0.1 / 4
    mine = mixing.targets(smooth, {mixing.SHARE: np.array(share)})
    np.testing.assert_allclose(mine, target.numpy(), atol=1e-5)
  assert ways == {True, False}


@pytest.mark.torch
def test_losses_are_torchs():
  torch = pytest.importorskip('torch')
  functional = torch.nn.functional
  batch = soft_batch()
  valid = batch['valid']
  logits = torch.tensor(LOGITS[valid])
  share = batch[mixing.SHARE]
  target = soft_targets(np.eye(4)[batch['label']], share)[valid]
  total, *_ = build('classification', label_smoothing=0.1).loss(LOGITS, batch)
  expected = functional.cross_entropy(
    logits, torch.tensor(target), reduction='sum', label_smoothing=0.1
  )
  assert total == pytest.approx(float(expected), rel=1e-5)
  total, *_ = build('multilabel').loss(LOGITS, batch)
  expected = functional.binary_cross_entropy_with_logits(
    logits, torch.tensor(soft_targets(batch['labels'], share)[valid]),
    reduction='sum',
  )  # fmt: skip
  assert total == pytest.approx(float(expected), rel=1e-5)
