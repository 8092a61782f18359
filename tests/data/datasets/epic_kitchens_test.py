"""EPIC-KITCHENS-100's official files, drawn small."""

import numpy as np
import pytest

from vidpetl.data import clips, datasets, sources
from vidpetl.data.annotations import text
from vidpetl.data.datasets import epic_kitchens
from vidpetl.recipes import named

_HEADER = (
  'narration_id,participant_id,video_id,narration_timestamp,start_timestamp,'
  'stop_timestamp,start_frame,stop_frame,narration,verb,verb_class,noun,'
  'noun_class,all_nouns,all_noun_classes\n'
)


def _row(number, start, stop, frames, verb, noun, video='P01_01'):
  person = video.partition('_')[0]
  return (
    f'{video}_{number},{person},{video},00:00:01.089,{start},{stop},{frames},'
    f'open door,open,{verb},door,{noun},"[\'door\', \'cup\']","[3, 1]"\n'
  )


_FILES = {
  'EPIC_100_verb_classes.csv': 'id,key,instances,category\n'
  "0,take,\"['take', 'get']\",retrieve\n1,knead,['knead'],manipulate\n",
  'EPIC_100_noun_classes.csv': 'id,key,instances,category\n'
  '0,door,"[\'door\']",furniture\n1,cup,"[\'cup\']",crockery\n'
  '2,tap,"[\'tap\']",appliances\n',
  'EPIC_100_train.csv': _HEADER
  + _row(0, '00:00:00.14', '00:00:01.37', '8,82', 1, 2)
  + _row(1, '00:01:01.50', '00:01:02.00', '3690,3720', 0, 1)
  + _row(2, '00:00:01.00', '00:00:02.00', '60,120', -1, 0)
  + _row(0, '01:00:00.54', '01:00:02.23', '27,111', 0, 0, 'P02_102'),
  'EPIC_100_validation.csv': _HEADER
  + _row(0, '00:00:00.00', '00:00:01.89', '1,113', 1, 0, 'P01_11'),
}


def _write(root, files):
  for name, content in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _open(root, what='verb', split='train'):
  fields = {'source': 'raw', 'dataset': f'epic_kitchens_{what}'}
  return sources.open_source({**fields, 'raw': str(root), 'split': split})


def _all(source):
  return [
    (e.id, e.label, round(e.start, 3), round(e.end, 3))
    for e in (source[i] for i in range(len(source)))
  ]


@pytest.mark.parametrize(
  'lists', ['', 'annotations/', 'epic-kitchens-100-annotations/']
)
@pytest.mark.parametrize(
  'place', ['EPIC-KITCHENS/{}/videos/', '{}/videos/', '{}/', 'all/of/them/']
)
def test_actions_of_videos_are_seconds(tmp_path, lists, place):
  _write(tmp_path, {lists + name: text for name, text in _FILES.items()})
  for video in ('P01_01', 'P01_11'):
    _write(tmp_path, {f'{place.format("P01")}{video}.MP4': ''})
  verbs, nouns = _open(tmp_path), _open(tmp_path, 'noun')
  assert _all(verbs) == [
    ('P01_01_0', 1, 0.14, 1.37),
    ('P01_01_1', 0, 61.5, 62.0),
  ]
  assert [label for _, label, *_ in _all(nouns)] == [2, 1, 0]
  assert dict(verbs.info.classes) == {0: 'take', 1: 'knead'}
  assert dict(nouns.info.classes) == {0: 'door', 1: 'cup', 2: 'tap'}
  assert verbs.video(0) == str(tmp_path / f'{place.format("P01")}P01_01.MP4')
  # One class is unknown, one video is not there.
  dropped = {d.id: d.reason for d in verbs.info.dropped}
  assert set(dropped) == {'P01_01_2', 'P02_102_0'}
  assert 'its verb_class is not known' in dropped['P01_01_2']
  assert 'EPIC_100_train.csv:4' in dropped['P01_01_2']
  assert [d.id for d in nouns.info.dropped] == ['P02_102_0']
  test = _open(tmp_path, split='val')
  assert _all(test) == [('P01_11_0', 1, 0.0, 1.89)]


def test_actions_of_frames_are_frames(tmp_path, write_frames):
  _write(tmp_path, _FILES)
  folder = tmp_path / 'EPIC-KITCHENS/P01/rgb_frames/P01_01'
  write_frames(folder, 'frame_{:010d}.jpg', 90)
  source = _open(tmp_path, 'noun')
  assert source.video(0) == str(folder)
  assert source.info.notes == (
    '1 videos are folders of frames, of 60 or 50 a second: strides count '
    'frames',
  )
  spec = clips.ClipSpec.of(
    {'frames': 75, 'stride': 1.0, 'resolution': 32, 'sampling': 'spread'},
    'classification',
  )
  clip = clips.load(source, 0, spec, np.zeros(2, np.uint32))
  # Frames 8 to 82 of the names, each once; a frame's grey is its number.
  grey = clip['video'][:, :8, :8].mean((1, 2, 3))
  np.testing.assert_allclose(grey, np.arange(8, 83), atol=2)


def test_the_second_version_of_the_classes_will_do(tmp_path):
  files = {
    name.replace('noun_classes', 'noun_classes_v2'): content
    for name, content in _FILES.items()
  }
  _write(tmp_path, {**files, 'P01/P01_01.MP4': ''})
  assert _open(tmp_path, 'noun').info.classes[2] == 'tap'


@pytest.mark.parametrize(
  'change, message',
  [
    (('00:00:01.37', '00:00:61.37'), ":2: stop_timestamp is '00:00:61.37'"),
    (('8,82', 'x,82'), ":2: start_frame is 'x'"),
    ((',open,1,', ',open,2,'), ':2: verb_class is 2; expected 0 to 1'),
    ((',open,1,', ',open,one,'), ":2: verb_class is 'one'"),
    (('verb_class', 'verbs'), ':1: no column verb_class; .*a test list has'),
  ],
)
def test_a_row_that_is_none_is_named(tmp_path, change, message):
  content = _FILES['EPIC_100_train.csv'].replace(*change, 1)
  _write(tmp_path, {'a.csv': content})
  with pytest.raises(text.AnnotationError, match=message):
    epic_kitchens.read(str(tmp_path / 'a.csv'), 'verb_class', 2)


def test_an_action_that_lasts_no_time_is_listed(tmp_path):
  content = _FILES['EPIC_100_train.csv'].replace('00:00:01.37', '00:00:00.14')
  _write(tmp_path, _FILES | {'EPIC_100_train.csv': content})
  _write(tmp_path, {'P01/P01_01.MP4': ''})
  first, *_ = _open(tmp_path).info.dropped
  assert first.id == 'P01_01_0' and 'from 0.14 s to 0.14 s' in first.reason


@pytest.mark.parametrize(
  'content', ['id,key\n0,a\n2,b\n', 'id,key\n', 'id,key\n0,a\n0,b\n']
)
def test_classes_are_numbered_without_gaps(tmp_path, content):
  _write(tmp_path, {'a.csv': content})
  with pytest.raises(text.AnnotationError, match=r'0\.\.n-1 once each'):
    epic_kitchens.read_classes(str(tmp_path / 'a.csv'))


def test_verbs_and_nouns_are_two_datasets_of_one_folder(tmp_path):
  verb, noun = (datasets.find(f'epic_kitchens_{x}') for x in ('verb', 'noun'))
  assert (verb.num_classes, noun.num_classes) == (97, 300)
  assert verb.folder == noun.folder == 'epic_kitchens' and verb.mirrored
  argument = f'data=epic_kitchens_verb,with=epic_kitchens_noun,raw={tmp_path}'
  tasks = named.load(f'adapt:{argument}').tasks
  assert {name: task.train.raw for name, task in tasks.items()} == {
    'epic_kitchens_verb': f'{tmp_path}/epic_kitchens',
    'epic_kitchens_noun': f'{tmp_path}/epic_kitchens',
  }
