"""Which pixels of a frame a model sees."""

import itertools

import av
import numpy as np
import pytest

from vidpetl.data import framing, picture, samplers

FRAME = 256, 340  # height, width


def draws(i):
  return samplers.Draws(np.array([i, 7], np.uint32))


def windows(n=2000, frame=FRAME, **options):
  how = framing.Framing(resize='crop', **options)
  return [how.train(*frame, draws(i)) for i in range(n)]


def source(window, frame=FRAME):
  """Returns top, left, height and width of a window, in the frame's pixels."""
  zoom = np.array(window.whole) / frame
  corner = np.array([window.top, window.left]) / zoom
  return *corner, *(np.array([window.rows, window.columns]) / zoom)


@pytest.mark.parametrize(
  'height, width', [(48, 64), (64, 48), (3, 1000), (7, 7)]
)
@pytest.mark.parametrize('side', [64, 223, 224])
def test_the_side_that_counts_is_exact(height, width, side):
  (padded,) = framing.Framing(resolution=side).test(height, width, 1)
  assert padded.whole == (padded.rows, padded.columns)
  assert max(padded.whole) == side and min(padded.whole) >= 1
  assert padded.rows == pytest.approx(height * side / max(height, width), abs=1)
  how = framing.Framing(resolution=side, resize='crop')
  assert min(how.resized(height, width)) == side


def test_a_test_cuts_from_the_middle_of_the_shorter_side():
  how = framing.Framing(resize='crop', short_side=256)
  assert how.test(512, 680, 1) == [((256, 340), 16, 58, 224, 224)]


def test_three_crops_lie_along_the_longer_side():
  how = framing.Framing(resize='crop', short_side=256)
  corners = lambda *size: [w[1:3] for w in how.test(*size, 3)]
  assert corners(512, 680) == [(16, 0), (16, 58), (16, 116)]
  assert corners(680, 512) == [(0, 16), (58, 16), (116, 16)]
  assert corners(512, 512) == [(0, 16), (16, 16), (32, 16)]


def test_frames_are_stretched_whatever_their_shape():
  how = framing.Framing(112, 'stretch', stretch=(112, 200))
  for size in ((480, 640), (640, 480)):
    assert how.test(*size, 1) == [((112, 200), 0, 44, 112, 112)]
    assert how.train(*size, draws(0)).whole == (112, 200)


def test_training_cuts_anywhere_at_the_size_of_a_test():
  found = windows(short_side=256)
  assert {w.whole for w in found} == {(256, 340)}
  tops, lefts = (np.array([w[k] for w in found]) for k in (1, 2))
  assert (tops.min(), tops.max()) == (0, 32)
  assert (lefts.min(), lefts.max()) == (0, 116)
  assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.1


def test_a_scale_is_any_size_of_its_range():
  shorts = np.array([min(w.whole) for w in windows(4000, scale=(256, 320))])
  assert (shorts.min(), shorts.max()) == (256, 320)
  assert shorts.mean() == pytest.approx(288, abs=1.2)  # 4 standard errors


def test_a_share_of_the_frame_fills_the_square():
  top, left, height, width = np.array(
    [source(w) for w in windows(area=(0.25, 1.0))]
  ).T
  share, ratio = height * width / np.prod(FRAME), width / height
  assert share.min() > 0.24 and share.max() < 1.01
  assert ratio.min() > 0.74 and ratio.max() < 1.35
  assert (top > -0.01).all() and (top + height < FRAME[0] + 1).all()
  assert (left > -0.01).all() and (left + width < FRAME[1] + 1).all()
  # What of U(0.25, 1) and the ratios fits, by another draw of the same.
  random = np.random.default_rng(0)
  areas = random.uniform(0.25, 1, 100_000) * np.prod(FRAME)
  ratios = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), 100_000))
  fits = (np.sqrt(areas / ratios) <= FRAME[0]) & (
    np.sqrt(areas * ratios) <= FRAME[1]
  )
  expected = (areas / np.prod(FRAME))[fits]
  error = 4 * expected.std() / np.sqrt(len(share))
  assert share.mean() == pytest.approx(expected.mean(), abs=error)


def test_a_frame_in_which_no_share_fits_is_cut_in_the_middle():
  (window,) = windows(1, frame=(100, 1000), area=(0.9, 1.0))
  _, left, height, width = source(window, (100, 1000))
  assert (height, width) == pytest.approx((100, 133), abs=0.5)
  assert left == pytest.approx(433, abs=1)


def test_crops_of_several_sizes_are_those_of_tsn():
  sizes = (1, 0.875, 0.75, 0.66)
  sides = [256, 224, 192, 168]
  pairs = [
    (h, w)
    for (i, h), (j, w) in itertools.product(enumerate(sides), repeat=2)
    if abs(i - j) <= 1
  ]
  found = {}
  for window in windows(sizes=sizes):
    top, left, height, width = source(window)
    found.setdefault((round(height), round(width)), set()).add(
      (round(top), round(left))
    )
  assert set(found) == set(pairs)
  # Slack of 340 x 256 and 192 x 192: quarters are 16 and 37 pixels.
  rows, columns = (0, 16, 32, 48, 64), (0, 37, 74, 111, 148)
  quarters = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (2, 0), (2, 4), (4, 2)),
    *((0, 2), (1, 1), (1, 3), (3, 1), (3, 3)),
  )
  assert found[192, 192] == {(rows[y], columns[x]) for y, x in quarters}


def test_no_crop_is_enlarged_that_has_the_pixels():
  """Crops of a 320-pixel frame, from a scale of 256 to 320 and from shares."""
  frame = (320, 425)
  for window in windows(500, frame, scale=(256, 320)):
    assert min(source(window, frame)[2:]) >= 223.9
  for window in windows(500, frame, area=(0.5, 1.0)):
    assert min(source(window, frame)[2:]) >= 190


def test_a_window_shows_the_rectangle_that_was_drawn():
  """Red is the row of the frame, green its column."""
  rows, columns = np.mgrid[: FRAME[0], : FRAME[1]]
  ramp = np.stack(
    [rows * 255 / FRAME[0], columns * 255 / FRAME[1], 0 * rows], -1
  )
  frame = av.VideoFrame.from_ndarray(ramp.astype(np.uint8), format='rgb24')
  shown = picture.Picture(frame, 'ramp')
  for options in (
    {'short_side': 256},
    {'scale': (256, 320)},
    {'area': (0.3, 1.0)},
    {'sizes': (1, 0.75)},
  ):
    for window in windows(20, **options):
      seen = window.of(shown.rgb(*window.whole))
      top, left, height, width = source(window)
      for axis, begin, length in ((0, top, height), (1, left, width)):
        line = seen[..., axis].mean(1 - axis) * FRAME[axis] / 255
        centre = begin + length * (np.arange(224) + 0.5) / 224 - 0.5
        np.testing.assert_allclose(line[4:-4], centre[4:-4], atol=1.6)


@pytest.mark.parametrize(
  'options, message',
  [
    ({'resize': 'squash'}, "'squash'"),
    ({'resolution': 0}, 'resolution'),
    ({'interpolation': 'nearest'}, "'nearest'"),
    ({'resize': 'stretch'}, 'stretch=None'),
    ({'stretch': (224, 224)}, "resize='pad'"),
    ({'resize': 'stretch', 'stretch': (100, 300)}, 'no square'),
    ({'short_side': 256}, "needs resize='crop'"),
    ({'resize': 'crop', 'short_side': 200}, 'at least resolution=224'),
    ({'scale': (256, 320)}, "resize='crop'"),
    ({'resize': 'crop', 'scale': (200, 320)}, r'scale=\(200, 320\)'),
    ({'resize': 'crop', 'area': (0, 1)}, 'area'),
    ({'resize': 'crop', 'area': (0.5, 1.5)}, 'area'),
    ({'resize': 'crop', 'area': (0.5, 1), 'ratio': (2, 1)}, 'ratio'),
    ({'resize': 'crop', 'area': (0.5, 1), 'scale': (256, 320)}, 'one of'),
    ({'resize': 'crop', 'sizes': (1, 2)}, 'sizes'),
  ],
)
def test_framings_that_make_no_sense(options, message):
  with pytest.raises(ValueError, match=message):
    framing.Framing(**options)
