"""Clips: which frames, which pixels, which boxes."""

import av
import numpy as np
import pytest
from listed import (
  SEED,
  Listed,
  Performances,
  around,
  classified,
  keyframe,
  performance,
  spec,
)

from vidpetl.data import clips, decode, examples
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.kinds.classification import Classified


def test_a_keyframe_is_element_half_of_its_clip(video, codes):
  source = Listed('localisation', [(keyframe(2.0), video)])
  assert codes(clips.load(source, 0, around(), SEED)) == [
    22, 24, 26, 28, 30, 32, 34, 36,
  ]  # fmt: skip
  wide = clips.load(source, 0, around(frames=32, stride=1), SEED)
  assert codes(wide) == list(range(14, 46))


def test_strides_count_in_the_nominal_frame_rate(video, codes):
  # 30 fps strides of 4 are 15 fps strides of 2.
  source = Listed('localisation', [(keyframe(2.0), video)], fps=30)
  expected = [22, 24, 26, 28, 30, 32, 34, 36]
  assert codes(clips.load(source, 0, around(stride=4), SEED)) == expected
  assert codes(clips.load(source, 0, around(fps=15), SEED)) == expected
  source.info = examples.Info('n', 'val', 'localisation', 3, {}, fps=None)
  assert codes(clips.load(source, 0, around(), SEED)) == expected


def test_a_keyframe_near_the_end_repeats_the_last_frame(video, codes):
  source = Listed(
    'localisation', [(keyframe(3.8), video), (keyframe(0), video)]
  )
  assert codes(clips.load(source, 0, around(), SEED)) == [
    49, 51, 53, 55, 57, 59, 59, 59,
  ]  # fmt: skip
  assert codes(clips.load(source, 1, around(), SEED)) == [
    0,
    0,
    0,
    0,
    0,
    2,
    4,
    6,
  ]


def test_a_keyframe_outside_of_the_file_is_an_error(video):
  source = Listed('localisation', [(keyframe(902.0), video)])
  with pytest.raises(decode.DecodeError, match='video_start'):
    clips.load(source, 0, around(), SEED)


def test_one_view_is_centred(video, codes):
  # (60 - 8 x 2) / 2 = 22.
  clip = clips.load(classified(video), 0, spec(), SEED)
  assert codes(clip) == list(range(22, 38, 2))
  assert clip['label'] == 2


def test_views_are_spread_over_the_clip(video, codes):
  clip = clips.load(classified(video), 0, spec(views=(3, 1)), SEED)
  assert clip['video'].shape == (3, 8, 64, 64, 3)
  assert [view[0] for view in codes(clip)] == [0, 22, 44]
  assert codes(clip)[2] == list(range(44, 60, 2))


def test_short_clips_are_held_or_loop(short, codes):
  clip = clips.load(classified(short), 0, spec(), SEED)
  assert codes(clip) == [0, 2, 4, 6, 8, 8, 8, 8]
  loop = spec(frames=24, stride=1, short='loop')
  clip = clips.load(classified(short), 0, loop, SEED)
  assert codes(clip) == [*range(10), *range(10), *range(4)]


def test_a_segment_keeps_to_itself(video, codes):
  source = classified(video, start=1.0, end=5 / 3)
  assert codes(clips.load(source, 0, spec(), SEED)) == [
    15, 17, 19, 21, 23, 23, 23, 23,
  ]  # fmt: skip


def test_a_segment_beyond_the_file_is_an_error(video):
  with pytest.raises(decode.DecodeError, match=r'from 7\.00 s'):
    clips.load(classified(video, start=7.0), 0, spec(), SEED)


def test_training_begins_anywhere(video, codes):
  begins = [
    codes(clips.load(classified(video), 0, spec(train=True), np.array([s, 0])))[
      0
    ]
    for s in range(150)
  ]
  assert min(begins) <= 2 and max(begins) >= 42 and max(begins) <= 44
  # Mean of U(0, 44), floored, to 4 standard errors.
  assert np.mean(begins) == pytest.approx(21.5, abs=4.2)


def test_a_clip_follows_from_its_seed(video):
  first, again, other = (
    clips.load(classified(video), 0, spec(train=True), np.array(seed))
    for seed in [(3, 4), (3, 4), (3, 5)]
  )
  np.testing.assert_array_equal(first['video'], again['video'])
  assert (first['video'] != other['video']).any()


def test_padding_is_below_and_right(tmp_path, write_video):
  white = [np.full((64, 48, 3), 255, np.uint8)] * 20
  path = write_video(tmp_path / 'w.mp4', frames=white)
  clip = clips.load(classified(path), 0, spec(), SEED)
  assert clip['size'].tolist() == [64, 48]
  assert (clip['video'][:, :, :48] > 250).all()
  assert (clip['video'][:, :, 48:] == 0).all()


def test_three_crops_lie_along_the_longer_side(tmp_path, write_video):
  ramp = np.broadcast_to(np.arange(0, 192, 2)[:, None, None], (96, 48, 3))
  path = write_video(tmp_path / 'r.mp4', frames=[ramp.astype(np.uint8)] * 20)
  clip = clips.load(
    classified(path), 0, spec(resize='crop', resolution=48, views=(2, 3)), SEED
  )
  assert clip['video'].shape == (6, 8, 48, 48, 3)
  tops = clip['video'][:, 0, 0].mean((-1, -2))
  np.testing.assert_allclose(tops, [0, 48, 96] * 2, atol=4)
  centred = clips.load(
    classified(path), 0, spec(resize='crop', resolution=48), SEED
  )
  assert centred['video'][0, 0].mean() == pytest.approx(48, abs=4)


def test_training_crops_lie_anywhere(tmp_path, write_video):
  ramp = np.broadcast_to(np.arange(0, 192, 2)[:, None, None], (96, 48, 3))
  path = write_video(tmp_path / 'r.mp4', frames=[ramp.astype(np.uint8)] * 20)
  tops = [
    clips.load(
      classified(path), 0, spec(resize='crop', resolution=48, train=True),
      np.array([s, 0]),
    )['video'][0, 0].mean()
    for s in range(60)
  ]  # fmt: skip
  assert min(tops) < 12 and max(tops) > 84


BOXES = [[0, 0, k / 10, 1] for k in range(1, 6)]
SCORES = [0.5, 0.8, 0.9, 0.79, 0.95]


def load_boxes(video, **options):
  truth = [[0, 0, 1, 0.25], [0, 0, 1, 0.5]]
  source = Listed(
    'localisation', [(keyframe(2.0, BOXES, SCORES, truth), video)]
  )
  return clips.load(source, 0, around(max_boxes=4, **options), SEED)


def test_detections_from_the_threshold_up_best_first(video):
  clip = load_boxes(video)
  np.testing.assert_allclose(clip['boxes'][:, 2], [0.5, 0.3, 0.2, 0])
  assert clip['box_valid'].tolist() == [True, True, True, False]
  assert clip['actions'].argmax(-1).tolist() == [1, 2, 1, 0]
  assert clip['actions'].sum() == 3


def test_ground_truth_boxes(video):
  clip = load_boxes(video, boxes='ground_truth')
  np.testing.assert_allclose(clip['boxes'][:, 3], [0.25, 0.5, 0, 0])
  assert clip['actions'].argmax(-1)[:2].tolist() == [0, 1]


def test_ground_truth_comes_before_detections_and_the_rest_is_cut(video):
  clip = load_boxes(video, boxes='both')
  np.testing.assert_allclose(clip['boxes'][:, 2], [1, 1, 0.5, 0.3])
  assert clip['box_valid'].all()


def test_no_boxes(video):
  source = Listed('localisation', [(keyframe(2.0), video)])
  clip = clips.load(source, 0, around(), SEED)
  assert not clip['box_valid'].any() and not clip['boxes'].any()
  assert clip['valid']


def test_cut_off_boxes_are_counted(video):
  source = Listed('localisation', [(keyframe(2.0, BOXES, SCORES), video)] * 2)
  assert around(max_boxes=2).kind.count_dropped(source) == 2
  assert around(max_boxes=2, min_score=0).kind.count_dropped(source) == 6
  assert around(max_boxes=5, min_score=0).kind.count_dropped(source) == 0


def test_clips_have_their_signature(video):
  both = [
    (classified(video), spec(views=(2, 1))),
    (
      Listed('localisation', [(keyframe(2.0), video)]),
      around(),
    ),
  ]
  for source, how in both:
    clip = clips.load(source, 0, how, SEED)
    layout = clips.signature(source.info, how)
    assert clip.keys() == layout.keys()
    for key, (shape, kind) in layout.items():
      assert (clip[key].shape, clip[key].dtype) == (shape, kind), key


def test_an_undecodable_video_is_masked(tmp_path, video):
  (tmp_path / 'bad.mp4').write_bytes(b'nothing')
  bad = str(tmp_path / 'bad.mp4')
  source = Listed(
    'classification',
    [(Classified(f'clip {k}', 1), path) for k, path in enumerate([bad, video])],
  )
  quarantine = quarantine_lib.Quarantine()
  clip = clips.load(source, 0, spec(), SEED, quarantine)
  assert not clip['valid'] and not clip['video'].any()
  assert clip['index'] == 0 and clip['size'].tolist() == [0, 0]
  assert clips.load(source, 1, spec(), SEED, quarantine)['valid']
  assert [row[0] for row in quarantine.rows()] == [bad]
  with pytest.raises(decode.DecodeError, match=r'bad\.mp4'):
    clips.load(source, 0, spec(), SEED)


@pytest.mark.parametrize(
  'kind, options, message',
  [
    ('classification', {'frames': 0}, 'frames'),
    ('classification', {'stride': -1}, 'stride'),
    ('classification', {'fps': 0}, 'fps'),
    ('classification', {'resize': 'squash'}, "'squash'"),
    ('localisation', {'boxes': 'all'}, "'all'"),
    ('localisation', {'max_boxes': 0}, 'max_boxes'),
    ('classification', {'views': (0, 1)}, 'views'),
    ('classification', {'views': (1, 2), 'resize': 'crop'}, 'one of 1, 3'),
    ('classification', {'views': (1, 3)}, "resize='crop'"),
    ('classification', {'views': (2, 1), 'train': True}, 'not training'),
    ('localisation', {'resize': 'crop'}, 'boxes need resize="pad"'),
    ('localisation', {'sampling': 'spread'}, 'boxes need .*"around"'),
    ('quality', {'views': (2, 1)}, r'performances need .* \(2, 1\)'),
    ('quality', {'exemplar': 'any'}, "exemplar='any' needs resize='crop'"),
    ('classification', {'sampling': 'vspp'}, "'vspp' is for pretext tasks"),
    (
      'classification',
      {'max_boxes': 3, 'parts': 2},
      r"no field max_boxes, parts; .*'stride'.* classification .* are frames,",
    ),
  ],
)
def test_settings_that_make_no_sense(kind, options, message):
  with pytest.raises(ValueError, match=message):
    spec(kind, **options)


def test_clips_show_what_their_source_is_annotated_with(video):
  with pytest.raises(ValueError, match='listed is for localisation'):
    spec().check(Listed('localisation', []).info)


@pytest.mark.parametrize(
  'sampling, labels',
  [('vspp', {'speed', 'part'}), ('pace', {'speed'}), ('pair', set())],
)
@pytest.mark.parametrize('kind', ['classification', 'localisation', 'quality'])
def test_pretext_clips_are_of_any_source(video, sampling, labels, kind):
  source = {
    'classification': classified(video),
    'localisation': Listed('localisation', [(keyframe(2.0), video)]),
    'quality': Performances([(performance(1), video)]),
  }[kind]
  how = spec('unlabelled', sampling=sampling, resize='crop', resolution=32)
  how.check(source.info)
  clip = clips.load(source, 0, how, SEED)
  assert set(clip) == {'video', 'size', 'index', 'seed', 'valid'} | labels
  layout = clips.signature(source.info, how)
  assert {k: v.shape for k, v in clip.items()} == {
    k: shape for k, (shape, _) in layout.items()
  }
  assert clip['valid']


def test_clips_of_a_pair_are_cropped_at_places_of_their_own(
  tmp_path, write_video
):
  ramp = np.broadcast_to(np.arange(0, 192, 2)[:, None, None], (96, 48, 3))
  path = write_video(tmp_path / 'r.mp4', frames=[ramp.astype(np.uint8)] * 20)
  how = spec(
    'unlabelled', sampling='pair', resize='crop', resolution=48, train=True
  )
  tops = np.array([
    clips.load(classified(path), 0, how, np.array([s, 0]))['video'][:, 0, 0]
    .mean((-1, -2))
    for s in range(40)
  ])  # fmt: skip
  assert tops.min() < 12 and tops.max() > 84
  assert abs(np.corrcoef(tops.T)[0, 1]) < 0.5


def test_a_folder_of_frames_is_a_video(tmp_path):
  for k in range(20):
    frame = np.full((48, 64, 3), 10 * k, np.uint8)
    image = av.VideoFrame.from_ndarray(frame, format='rgb24')
    image.to_image().save(tmp_path / f'img_{k + 1:05d}.jpg')
  clip = clips.load(
    classified(str(tmp_path)), 0, spec(sampling='spread', frames=3), SEED
  )
  levels = clip['video'][:, :48].mean((1, 2, 3))
  np.testing.assert_allclose(levels, [0, 90, 190], atol=2)
