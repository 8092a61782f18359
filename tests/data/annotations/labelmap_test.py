import json

import pytest

from vidpetl.data.annotations import labelmap, text

_PBTXT = """item {
  name: "bend/bow (at the waist)"
  id: 1
}
item {
  name: "crouch/kneel"
  id: 3
}
"""
_NAMES = {1: 'bend/bow (at the waist)', 3: 'crouch/kneel'}


def _read(tmp_path, content, name='map.pbtxt'):
  path = tmp_path / name
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return labelmap.read(str(path))


@pytest.mark.parametrize(
  'name, content',
  [
    ('map.pbtxt', _PBTXT),
    ('map.pbtxt.txt', _PBTXT),
    ('map.txt', _PBTXT),
    ('map', _PBTXT),
    ('map.txt', '# of the film\n' + _PBTXT),
    ('map.pbtxt', '\ufeff' + _PBTXT.replace('\n', '\r\n')),
    ('map.pbtxt', _PBTXT.encode('utf-16')),
    ('map.pbtxt', _PBTXT.replace('item', 'label').replace('id:', 'label_id:')),
    ('map.pbtxt', _PBTXT.replace('item', 'items:').replace('"', "'")),
    ('map.txt', '3: crouch/kneel\n1: bend/bow (at the waist)\n'),
    ('map.txt', '3 crouch/kneel\n\n 1\tbend/bow (at the waist) \n'),
    ('map.txt', '1,bend/bow (at the waist)\n3,"crouch/kneel"\n'),
    ('map.csv', 'id,name\n1,bend/bow (at the waist)\n3,crouch/kneel\n'),
    ('map.csv', 'Name;ID\nbend/bow (at the waist);1\ncrouch/kneel;3\n'),
    ('map.csv', '1,bend/bow (at the waist)\n3,crouch/kneel\n'),
    ('map.csv', 'id,n,name\n1,9,bend/bow (at the waist)\n3,8,crouch/kneel\n'),
    ('map.json', json.dumps({str(k): v for k, v in _NAMES.items()})),
    ('map.txt', json.dumps({v: k for k, v in _NAMES.items()})),
    ('map.json', json.dumps([{'id': k, 'name': v} for k, v in _NAMES.items()])),
  ],
)
def test_formats(tmp_path, name, content):
  names = _read(tmp_path, content, name)
  assert names == _NAMES and list(names) == [1, 3]


@pytest.mark.parametrize(
  'name, content',
  [
    ('map.txt', 'walk\n\nsit down\n3 point shot\n'),
    ('map.csv', 'name\nwalk\nsit down\n3 point shot\n'),
    ('map.json', '["walk", "sit down", "3 point shot"]'),
  ],
)
def test_one_name_a_line_counts_from_1(tmp_path, name, content):
  names = _read(tmp_path, content, name)
  assert names == {1: 'walk', 2: 'sit down', 3: '3 point shot'}


@pytest.mark.parametrize(
  'fields, name',
  [
    ('name: "shake a person\'s hand" id: 1', "shake a person's hand"),
    (r'name: "say \"hello\"" id: 1', 'say "hello"'),
    (r"name: 'it\'s' id: 1", "it's"),
    ('name: "use {tool}" id: 1', 'use {tool}'),
    ('id: 1 # name: "wrong"\n name: "right # no comment"',
     'right # no comment'),
    (r'name: "caf\303\251" id: 1', 'café'),
    (r'name: "caf\xc3\xa9" id: 1', 'café'),
    (r'name: "caf\u00e9" id: 1', 'café'),
    ('name: "cafe\u0301 " id: 1', 'café'),
    (r'name: "a\\b\tc" id: 1', 'a\\b\tc'),
    ('name: "walk"\n " and "\n \'run\' id: 1', 'walk and run'),
    ('id: 1, name: "a, b";', 'a, b'),
    ('name: "/m/01g317" id: 1 display_name: "person"', 'person'),
    ('label_type: MOVE id: 1 more { name: "no" } name: "yes"', 'yes'),
    ('name: "yes" id: 1 ancestors: ["x", "y"]', 'yes'),
  ],
)  # fmt: skip
def test_a_protobuf_text_means_what_it_says(tmp_path, fields, name):
  assert _read(tmp_path, f'item {{ {fields} }}') == {1: name}


def test_a_comment_is_no_item(tmp_path):
  content = '# item { name: "old" id: 1 }\n' + _PBTXT
  assert _read(tmp_path, content) == _NAMES


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('m.pbtxt', _PBTXT.replace('3', 'x'), r"m\.pbtxt:5: id 'x'"),
    ('m.pbtxt', _PBTXT.replace('3', '1'), ':5: id 1 again'),
    ('m.pbtxt', '\nitem {\n  name: "a"\n}\n', ':2: a name or id without'),
    ('m.pbtxt', 'label { label_id: 4 }', ':1: a name or id without'),
    ('m.pbtxt', 'name: "a"\nid: 1\n', 'no labels'),
    ('m.pbtxt', '', 'no labels'),
    ('m.pbtxt', 'item {\n name: "a\n id: 1 }\n', ':2: .* is no part of it'),
    ('m.pbtxt', '\nitem {\n name: "a" id: 1\n', ":2: no '}' closes it"),
    ('m.pbtxt', 'item {\n name: }\n', ":2: '}' where a value should be"),
    ('m.pbtxt', r'item { name: "\xff" id: 1 }', ':1: .* is not UTF-8'),
    ('m.txt', '1: a\nb\n', ":2: 'b'; expected id: name"),
    ('m.txt', 'a\n1: b\n', ":2: '1: b'; expected a name in each line"),
    ('m.csv', '1,a\n2\n', ':2: 1 columns'),
    ('m.txt', '0: a\n', "id '0'; expected a whole number from 1"),
    ('m.json', '{"a": 0}', 'id 0; expected a whole number from 1'),
  ],
)
def test_errors_name_the_line(tmp_path, name, content, message):
  with pytest.raises(text.AnnotationError, match=message):
    _read(tmp_path, content, name)
