"""Each thing that may be odd about clips with classes, in drawn folders."""

import csv
import shutil

import drawn
import pytest

from vidpetl.data import augment
from vidpetl.data.survey import cache, findings, opening, reading
from vidpetl.recipes import defaults

# A second at 12 frames a second, as the clips that are drawn have it.
CLIP = {'frames': 4, 'stride': 2, 'resolution': 32}


def _find(train, test=None, **task):
  """Returns code -> finding, having read all files."""
  fields = {
    'train': train,
    'eval': test,
    'task': 'classification',
    'clip': CLIP,
    'augment': {'flip': False},
    **task,
  }
  config = {'tasks': {'own': fields}, 'input': defaults.get_config().input}
  (subject,) = opening.open_config(config)
  records = reading.read_all(subject.paths(), cache.Cache(''))
  found = findings.find_all(subject.with_records(records))
  assert all(finding.task == 'own' for finding in found)
  return {finding.code: finding for finding in found}


def _folder(root, **task):
  source = {'source': 'folder', 'path': str(root)}
  return _find({**source, 'split': 'train'}, {**source, 'split': 'val'}, **task)


def _table(path, rows, **task):
  with open(path, 'w', newline='') as file:
    csv.writer(file).writerows([('path', 'label', 'split', 'start', 'end')])
    csv.writer(file).writerows((*row, '', '')[:5] for row in rows)
  source = {'source': 'manifest', 'path': str(path)}
  return _find({**source, 'split': 'train'}, {**source, 'split': 'val'}, **task)


@pytest.fixture
def clips(tmp_path):
  return [drawn.clip(tmp_path / f'{i}.mp4', i) for i in range(8)]


def test_nothing_odd_is_nothing_said(tmp_path):
  assert _folder(drawn.folder(tmp_path / 'x', train=6, val=10)) == {}


def test_a_class_that_nothing_trains(tmp_path, clips):
  rows = [('0.mp4', 'run', 'train'), ('1.mp4', 'walk', 'train')]
  rows += [('2.mp4', 'walk', 'val'), ('3.mp4', 'jump', 'val')]
  found = _table(tmp_path / 'clips.csv', rows)
  assert found['class_untrained'].level == findings.WRONG
  assert found['class_untrained'].examples == ('jump',)
  assert 'At most 50 % of val can be right' in found['class_untrained'].text
  assert found['class_untested'].level == findings.NOTE
  assert found['class_untested'].examples == ('run',)


def test_one_class_is_nothing_to_tell_apart(tmp_path, clips):
  rows = [('0.mp4', 'run', 'train'), ('1.mp4', 'walk', 'train')]
  rows += [('2.mp4', 'walk', 'val'), ('3.mp4', 'walk', 'val')]
  found = _table(tmp_path / 'clips.csv', rows)['class_one']
  assert found.level == findings.WRONG
  assert found.text.startswith('all examples of val show one class, walk')


def test_a_class_of_nobody_and_classes_of_few(tmp_path):
  root = drawn.folder(tmp_path / 'x', train=6)
  (root / 'train' / 'swim').mkdir()
  drawn.clip(root / 'train' / 'jump' / 'a.mp4', 100)
  found = _folder(root)
  assert found['class_empty'].examples == ('swim',)
  assert found['class_of_few'].examples == ('jump',)


def test_names_of_classes_stay_as_they_are(tmp_path):
  root = drawn.folder(tmp_path / 'x', ['who is here', 'run'], train=4)
  text = _folder(root)['class_of_few'].text
  assert text.startswith('2 classes have fewer than 5 ') and 'who is' in text


def test_imbalance(tmp_path):
  root = drawn.folder(tmp_path / 'x', ['run'], train=10)
  drawn.folder(tmp_path / 'x', ['walk'], train=1)
  assert 'run, has 10 training examples (91 %)' in _folder(root)[
    'imbalance'
  ].text  # fmt: skip


def test_a_small_val_says_what_one_clip_is(tmp_path):
  found = _folder(drawn.folder(tmp_path / 'x'))
  assert (
    '4 clips: one of them is 25.0 percentage points' in found['small_val'].text
  )


def test_the_same_pictures_in_train_and_val_under_other_names(tmp_path):
  root = drawn.folder(tmp_path / 'x', val=3)
  clip = root / 'train' / 'run' / '0.mp4'
  drawn.remuxed(str(clip), root / 'val' / 'run' / 'other.mkv')
  leak = _folder(root)['leak']
  assert (leak.level, leak.count) == (findings.WRONG, 1)
  assert leak.examples == ('val/run/other.mkv (val) = train/run/0.mp4 (train)',)
  assert '1 of 7 val clips' in leak.text


def test_parts_of_a_file_in_both_splits_are_no_leak(tmp_path):
  drawn.clip(tmp_path / 'film.mp4', frames=120)
  rows = [('film.mp4', 'run', 'train', 0, 3), ('film.mp4', 'run', 'val', 5, 8)]
  found = _table(tmp_path / 'clips.csv', rows)
  assert 'leak' not in found and found['shared_files'].level == findings.NOTE
  rows[1] = ('film.mp4', 'run', 'val', 1, 4)
  assert 'leak' in _table(tmp_path / 'clips.csv', rows)


def test_a_clip_with_two_labels(tmp_path, clips):
  shutil.copy(clips[0], tmp_path / 'copy.mp4')
  rows = [('0.mp4', 'run', 'train'), ('copy.mp4', 'walk', 'train')]
  rows += [('1.mp4', 'run', 'val'), ('2.mp4', 'walk', 'val')]
  found = _table(tmp_path / 'clips.csv', rows)['contradiction']
  assert found.level == findings.WRONG
  assert found.examples == ('0.mp4 (train, run) = copy.mp4 (train, walk)',)


def test_duplicates_within_a_split(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  run = root / 'train' / 'run'
  shutil.copy(run / '0.mp4', run / 'again.mp4')
  found = _folder(root)['duplicate']
  assert (found.level, found.count) == (findings.NOTE, 1)
  assert found.examples == ('train/run/0.mp4 = train/run/again.mp4 (train)',)


def test_rows_in_neither_split(tmp_path, clips):
  rows = [(f'{i}.mp4', 'run', 'train') for i in range(5)]
  rows += [('5.mp4', 'run', 'val'), ('6.mp4', 'run', 'test')]
  found = _table(tmp_path / 'clips.csv', rows)['no_split']
  assert (found.level, found.count) == (findings.NOTE, 1)
  assert found.examples[0].endswith('6.mp4')


def test_what_cannot_be_read_is_wrong_in_val_and_where_it_is_much(tmp_path):
  root = drawn.folder(tmp_path / 'x', train=11)
  (root / 'train' / 'run' / '0.mp4').write_bytes(b'')
  found = _folder(root)['unreadable']
  assert (found.level, found.count) == (findings.NOTE, 1)
  (root / 'train' / 'run' / '1.mp4').write_bytes(b'<html>')
  (root / 'train' / 'run' / '2.mp4').write_bytes(b'<html>')
  assert _folder(root)['unreadable'].level == findings.WRONG
  root = drawn.folder(tmp_path / 'y')
  (root / 'val' / 'run' / '0.mp4').write_bytes(b'')
  found = _folder(root)['unreadable']
  assert found.level == findings.WRONG
  assert found.examples[0].endswith('val/run/0.mp4: has no bytes')


def test_a_truncated_file(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  whole = drawn.clip(
    tmp_path / 'a.mp4', 99, frames=60, codec='libx264', movflags='faststart'
  )
  drawn.cut_off(whole, root / 'val' / 'run' / '0.mp4')
  found = _folder(root)['truncated']
  assert (found.level, found.count) == (findings.WRONG, 1)


def test_a_clip_that_begins_behind_its_file(tmp_path, clips):
  rows = [('0.mp4', 'run', 'train', 5, 6), ('1.mp4', 'run', 'train', 0, 9)]
  rows += [('2.mp4', 'run', 'val')]
  found = _table(tmp_path / 'clips.csv', rows)
  assert found['outside'].level == findings.WRONG
  assert found['outside'].examples == ('0.mp4@5: at 5.00 s, of 1.00 s',)
  assert found['ends_late'].level == findings.NOTE


def test_frame_rates_that_differ_unless_one_counts(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  drawn.folder(tmp_path / 'x', ['jump'], fps=30, frames=30)
  found = _folder(root)['frame_rates']
  assert '12 to 30 a second' in found.text
  assert 'a clip lasts 0.3 to 0.7 s' in found.text
  assert 'frame_rates' not in _folder(root, clip={**CLIP, 'fps': 12})


def test_short_clips(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  found = _folder(root, clip={**CLIP, 'frames': 8}, eval_clip={'views': (5, 1)})
  assert (found['short'].level, found['short'].count) == (findings.NOTE, 16)
  assert '12 of 12 train clips and 4 of 4 val clips' in found['short'].text
  assert '5 views' in found['short'].text
  # 1 + 3 * 3 frames of the 12 there are.
  assert 'short' not in _folder(root, clip={**CLIP, 'stride': 3})


def test_a_sampler_without_a_stride_needs_as_many_frames(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  clip = {'sampling': 'segments', 'frames': 12, 'resolution': 32}
  assert 'short' not in _folder(root, clip=clip)
  assert 'short' in _folder(root, clip={**clip, 'frames': 16})


def test_small_pictures_and_far_keyframes(tmp_path):
  root = drawn.folder(tmp_path / 'x', frames=72, gop=100)
  found = _folder(root, clip={**CLIP, 'resolution': 33})
  assert found['enlarged'].count == 16
  assert 'a keyframe in 72 frames' in found['keyframes_far'].text


def test_codecs_are_counted(tmp_path):
  root = drawn.folder(tmp_path / 'x')
  drawn.clip(root / 'train' / 'run' / 'a.mkv', 99, codec='libx264')
  found = _folder(root)['codecs']
  assert found.level == findings.INFO
  assert found.examples == ('mpeg4 in mp4: 16', 'h264 in matroska: 1')


def test_left_and_right_that_are_mirrored(tmp_path):
  root = drawn.folder(tmp_path / 'x', ['turn_left', 'turn_right', 'walk'])
  found = _folder(root, augment={'flip': True})['sides']
  assert found.level == findings.WRONG
  assert found.examples == ('turn_left', 'turn_right')
  assert 'sides' not in _folder(root, augment={'flip': False})
  # What a config does not say.
  assert augment.Augment().flip and 'sides' in _folder(root, augment={})


def test_what_sources_left_out_is_passed_on(tmp_path, clips):
  rows = [('0.mp4', 'run', 'train'), ('gone.mp4', 'run', 'train')]
  rows += [('1.mp4', 'run', 'val')]
  found = _table(tmp_path / 'clips.csv', rows)['left_out']
  assert (found.level, found.count) == (findings.NOTE, 1)
  assert found.examples == ('gone.mp4',) and 'not found' in found.text


def test_without_files_annotations_are_looked_at(tmp_path):
  root = drawn.folder(tmp_path / 'x', ['left', 'right'], train=1)
  fields = {'source': 'folder', 'path': str(root)}
  task = {
    'train': {**fields, 'split': 'train'},
    'eval': {**fields, 'split': 'val'},
    'clip': CLIP,
  }
  config = {'tasks': {'own': task}, 'input': defaults.get_config().input}
  (subject,) = opening.open_config(config)
  codes = {finding.code for finding in findings.find_all(subject)}
  assert codes == {'sides', 'class_of_few', 'small_val'}
