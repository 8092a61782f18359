"""Folders as people have them, composed at random: no clip is lost.

Every clip that a folder holds is in train, in val, in a split that is named, or
is listed with a reason; its label is the one that its folder says.
"""

import os
import unicodedata

import hypothesis
import pytest
from hypothesis import strategies as st

from vidpetl.data import names, sources, splits
from vidpetl.data.sources import videos

# A table says what stands between its columns.
pytestmark = pytest.mark.filterwarnings('ignore::vidpetl.mistakes.Note')
_SETTINGS = hypothesis.settings(
  max_examples=150,
  derandomize=True,
  deadline=None,
  database=None,
  suppress_health_check=list(hypothesis.HealthCheck),
)
_TRAIN = ('train', 'Train', 'training', 'TRAINING', 'train ', 'tr')
_VAL = ('val', 'valid', 'Validation', 'VAL', 'dev', ' eval')
_TEST = ('test', 'Testing', 'TEST')
_LITTER = ('.DS_Store', '._{}', '@eaDir/{}', '__MACOSX/{}', 'Thumbs.db')
_OTHERS = ('readme.txt', 'labels.json', 'b.bin', 'cover.jpg', 'noise')
_DAMAGE = (b'', b'<html>', b'\x00\x01\xff', b'\x1aE\xdf\xa3')

# Bytes that are no UTF-8, blanks, commas, both forms of Unicode.
_WORDS = st.sampled_from(
  [
    *(b'run', b'walk', b'two words', b'a, b', b'100%', b'x.y', b'#1'),
    *('caf\u00e9'.encode(), 'cafe\u0301'.encode(), '\u8d70'.encode()),
    *(b'caf\xe9', b'\xff\xfe', b'semi;colon', b'"q"', b"it's"),
  ]
).map(os.fsdecode)
_CLASSES = st.lists(
  st.one_of(_WORDS, st.sampled_from(['jump', 'jump ', 'Jump', 'swim'])),
  min_size=2,
  max_size=4,
  unique=True,
)
_SUFFIXES = st.sampled_from(['.mp4', '.MP4', '.avi', '.MTS', '.vob', '.gif'])
# A path below the class: folders, name, suffix; no suffix is a frame folder.
_BELOW = st.tuples(
  st.lists(st.sampled_from(['001', 'cam', 'a b']), max_size=2),
  _WORDS,
  st.one_of(_SUFFIXES, st.just('')),
)


@st.composite
def _folders(draw, layouts=('split/class', 'class/split', 'class')):
  """Returns (layout, path -> content, clip -> (class, split or None))."""
  layout = draw(st.sampled_from(layouts))
  spelled = [draw(st.sampled_from(_TRAIN)), draw(st.sampled_from(_VAL))]
  if draw(st.booleans()):
    spelled[1:] = draw(
      st.sampled_from([[_TEST[0]], [spelled[1], _TEST[0]], [_TEST[1]]])
    )
  files, clips = {}, {}
  for label in draw(_CLASSES):
    for folder in spelled if layout != 'class' else [None]:
      for below in draw(st.lists(_BELOW, min_size=1, max_size=5)):
        order = [label, folder] if layout == 'class/split' else [folder, label]
        _add(draw, files, clips, [p for p in order if p], below, label, folder)
  for extra in draw(st.lists(st.sampled_from(_LITTER + _OTHERS), max_size=4)):
    folder = draw(st.sampled_from(['', *map(os.path.dirname, files)]))
    files.setdefault(os.path.join(folder, extra.format('x.mp4')), b'')
  for stray in draw(st.lists(st.sampled_from(['s.mp4', 't.avi']), max_size=1)):
    files[stray] = b''
    clips[stray] = (None, None)
  # One class with folders in it is refused.
  labels = {_label(label) for label, _ in clips.values() if label}
  hypothesis.assume(len(labels) > 1)
  return layout, files, clips


def _add(draw, files, clips, folders, below, label, split):
  """Adds a video, or a folder of frames, unless something is in its place."""
  within, name, suffix = below
  path = '/'.join([*folders, *within, name + suffix])
  parents = [path.rsplit('/', i)[0] for i in range(1, path.count('/') + 1)]
  if {path, *parents} & files.keys() or {*parents} & clips.keys():
    return
  if any(c.startswith(f'{path}/') for c in clips):
    return
  clips[path] = (label, split)
  if suffix:
    files[path] = draw(st.sampled_from(_DAMAGE))
  else:
    count = draw(st.integers(1, 3))
    files.update({f'{path}/img_{i:05d}.jpg': b'' for i in range(count)})


def _write(root, files):
  for path, content in files.items():
    target = os.path.join(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, 'wb') as file:
      file.write(content)


def _rows(root, split):
  """Returns path -> label, and what else is known of a split."""
  source = sources.open_source(
    {'source': 'folder', 'path': str(root), 'split': split}
  )
  found = [
    (os.path.relpath(source.video(i), root), source[i])
    for i in range(len(source))
  ]
  ids = [example.id for _, example in found]
  ids += [dropped.id for dropped in source.info.dropped]
  assert len(set(ids)) == len(ids)
  # Whatever the names are, any report can be written.
  report = (ids, source.info.classes, source.info.notes, source.info.dropped)
  repr(report).encode()
  ''.join(source.info.notes).encode()
  labels = {path: source.info.classes[e.label] for path, e in found}
  return labels, {d.id for d in source.info.dropped}, source.info


def _label(folder):
  return unicodedata.normalize('NFC', names.shown(folder)).strip()


@_SETTINGS
@hypothesis.given(_folders())
def test_each_clip_of_a_folder_is_in_one_split_or_named(tmp_path_factory, made):
  layout, files, clips = made
  root = tmp_path_factory.mktemp('made')
  _write(root, files)
  try:
    opened = {split: _rows(root, split) for split in ('train', 'val')}
  except FileNotFoundError as error:
    # A class of one clip is for training.
    assert layout == 'class' and "no video of the split 'val'" in str(error)
    return
  train, val = opened['train'][0], opened['val'][0]
  dropped = opened['train'][1] | opened['val'][1]
  said = '\n'.join(opened['train'][2].notes)
  assert not train.keys() & val.keys()
  has_val = any(splits.role(s or '') == 'val' for _, s in clips.values())
  for clip, (label, split) in clips.items():
    role = splits.role(split or '')
    if label is None or _is_copy(clip, clips):
      assert names.shown(clip) in dropped and names.shown(clip) in said
    elif layout == 'class':
      assert (clip in train) != (clip in val)
    elif role == 'test' and has_val:
      assert clip not in train and clip not in val
      assert "of the split 'test' are neither trained nor" in said
    else:
      assert clip in (train if role == 'train' else val)
    if clip in train or clip in val:
      assert (train | val)[clip] == _label(label)
  assert train.keys() | val.keys() <= clips.keys()
  others = {names.shown(file) for file in files if file.endswith('.bin')}
  assert others - _inside_litter(files) <= dropped


def _is_copy(clip, clips):
  """Returns whether it is the frames of a video that lies beside them."""
  is_folder = not videos.is_video(clip)
  return is_folder and any(
    videos.is_video(other) and videos.without_suffix(other) == clip
    for other in clips
  )


def _inside_litter(files):
  return {
    names.shown(file)
    for file in files
    if any(names.is_litter(part) for part in file.split('/'))
  }


@_SETTINGS
@hypothesis.given(_folders(layouts=['class']), st.data())
def test_each_clip_of_a_folder_with_lists_is_in_one_split_or_named(
  tmp_path_factory, made, data
):
  _, files, clips = made
  root = tmp_path_factory.mktemp('made')
  _write(root, files)
  told = {}
  alike = [names.clean(clip) for clip in clips]
  for clip, (label, _) in clips.items():
    # What cannot be written into a list, or is called like another clip.
    is_plain = names.shown(clip) == clip and '"' not in clip
    if _is_copy(clip, clips):
      continue
    if label is not None and is_plain and alike.count(names.clean(clip)) == 1:
      told[clip] = data.draw(st.sampled_from(['train', 'val', None]))
  hypothesis.assume({'train', 'val'} <= set(told.values()))
  number = data.draw(
    st.sampled_from(['{}', '{} 3', '{},3', '"{}",3', '{}\t9 3'])
  )
  for split, name in (('train', 'trainlist01.txt'), ('val', 'val.csv')):
    lines = [number.format(c) for c, s in told.items() if s == split]
    (root / name).write_text('\n'.join(lines), encoding='utf-8')
  opened = {split: _rows(root, split) for split in ('train', 'val')}
  train, val = opened['train'][0], opened['val'][0]
  dropped = opened['train'][1] | opened['val'][1]
  for clip, (label, _) in clips.items():
    places = [clip in train, clip in val, names.shown(clip) in dropped]
    assert sum(places) == 1, clip
    if clip in train or clip in val:
      assert (train | val)[clip] == _label(label)
      assert places.index(True) == ('train', 'val').index(told[clip])


@st.composite
def _tables(draw):
  """Returns rows (path, label, split) and the files that are there."""
  count = draw(st.integers(2, 8))
  rows, files = [], set()
  for i in range(count):
    path = f'{draw(_WORDS).encode("utf-8", "replace").decode()}{i}.mp4'
    path = path.replace('?', '_')
    form = draw(st.sampled_from(['NFC', 'NFD']))
    label = draw(st.sampled_from(['walk', ' walk', 'th\u00e9', 'the\u0301 ']))
    spelled = draw(st.sampled_from([*_TRAIN, *_VAL, 'test', 'spare', '']))
    rows.append((path, label, spelled))
    if i == 0 or draw(st.booleans()):
      files.add((i, unicodedata.normalize(form, path)))
  return rows, files


@_SETTINGS
@hypothesis.given(
  _tables(),
  st.sampled_from(['utf-8', 'utf-8-sig', 'utf-16']),
  st.sampled_from([',', ';', '\t']),
)
def test_each_row_of_a_table_is_in_one_split_or_named(
  tmp_path_factory, made, encoding, between
):
  rows, files = made
  root = tmp_path_factory.mktemp('made')
  for _, name in files:
    (root / name).touch()
  lines = [('Path', 'label', 'SPLIT'), *rows]
  text = '\r\n'.join(
    between.join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in line)
    for line in lines
  )
  (root / 'clips.csv').write_bytes(text.encode(encoding))
  there = {splits.role(spelled) for _, _, spelled in rows} - {''}
  has_val = 'val' in there
  found, listed = {}, set()
  for split in sorted(there):
    try:
      source = sources.open_source(
        {'source': 'manifest', 'path': str(root / 'clips.csv'), 'split': split}
      )
    except FileNotFoundError:  # none of the split's videos is there
      continue
    for i in range(len(source)):
      label = source.info.classes[source[i].label]
      found.setdefault(source[i].id, []).append((split, label))
    listed |= {dropped.id for dropped in source.info.dropped}
    said = '\n'.join(source.info.notes)
    for other in (
      there - {'train', 'val'} - ({'test'} if not has_val else set())
    ):
      assert f'of the split {other!r} are neither trained nor' in said
  present = {i for i, _ in files}
  for i, (path, label, spelled) in enumerate(rows):
    if i in present and spelled:
      expected = (splits.role(spelled), _label(label))
      assert found[path] == [expected]
    else:
      assert path not in found
