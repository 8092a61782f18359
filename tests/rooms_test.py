"""The plan of the house, read from the source: who imports whom, how long."""

import ast
import functools
import re

import experiments
import pytest

ROOT = experiments.ROOT
# A module whose arrows are meant, although the plan has none, and why.
MEANT = {
  'vidpetl': 'the public face, whose names are imported at their first use',
  'vidpetl.cli': 'runs a door by its name, and imports none of them',
  'vidpetl.recipes.bound': 'a method asks the techniques that it binds for '
  'their options; it loads them by name, and imports no JAX itself',
  'vidpetl.recipes.probing': 'asks the probe that is named for its options, '
  'likewise',
}
# From the ground up. The rooms on the ground know no model code, and import
# each other; a storey imports the ground and the storeys below it.
GROUND = ('helpers', 'parameters', 'weights', 'data', 'metrics', 'recipes')
STOREYS = (
  *('backbones', 'petl', 'tasks', 'experiment', 'caching', 'training'),
  *('inference', 'exporting', 'studies', 'serving'),
)
# A consumer of data, for demos and tests.
OUTBUILDING = 'world'
# What doors share. Nothing imports a door.
COMMAND_LINE = ('vidpetl.cli',)
PLAN = {
  'helpers': (),
  **dict.fromkeys(GROUND[1:], GROUND),
  **{room: (*GROUND, *STOREYS[:i]) for i, room in enumerate(STOREYS)},
  OUTBUILDING: GROUND,
  'command line': GROUND,
  'doors': (*GROUND, *STOREYS, OUTBUILDING, 'command line'),
}
# Where a name becomes a module of a folder.
BY_NAME = ('vidpetl/parts.py', 'vidpetl/weights/family.py')
# Slow to import, and more than a config's name needs.
JAX = {'jax', 'jaxlib', 'flax', 'optax', 'orbax', 'tensorflow'}
# A user's path is an epath.Path. The modules that take texts apart, and why.
TEXTS = {
  'vidpetl.data.frames': 'the names of 100,000 frames of a folder',
  'vidpetl.data.sources.folder': 'hands out a million paths as texts',
  'vidpetl.data.sources.manifest': 'hands out a million paths as texts',
  'vidpetl.data.sources.performances': 'hands out a million paths as texts',
  'vidpetl.data.sources.layout_notes': 'takes a million paths apart',
  'vidpetl.data.sources.split_folders': 'takes a million paths apart',
  'vidpetl.data.sources.split_lists': 'takes a million paths apart',
  'vidpetl.data.sources.table_splits': 'compares a million paths',
  'vidpetl.data.sources.videos': 'hands out a million paths as texts',
  'vidpetl.durable': 'follows links, which epath does not',
  'vidpetl.inference.films': 'takes a million paths apart',
  'vidpetl.recipes.data': 'paths in configs stay as they were spelled, so that '
  'runs of before resume',
}
# Where a user's text is opened, whatever its encoding.
OPENER = 'vidpetl.data.annotations.text'
# Longest files, and functions without their docstring, in lines.
LINES_OF_FILE, LINES_OF_FUNCTION = 400, 60


def _files(*folders):
  return [
    path for folder in folders for path in sorted((ROOT / folder).rglob('*.py'))
  ]


@functools.cache
def _tree(path):
  return ast.parse(path.read_text(encoding='utf-8'))


@functools.cache
def _modules():
  """Returns module -> file."""
  found = {}
  for path in _files('vidpetl'):
    name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    found[name.removesuffix('.__init__')] = path
  return found


def _named(module):
  """Yields what a module imports or names in a text, anywhere in it."""
  for node in ast.walk(_tree(_modules()[module])):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{module}: a relative import'
      yield from (f'{node.module}.{alias.name}' for alias in node.names)
    elif isinstance(node, ast.Constant) and _is_module_name(node.value):
      yield node.value


def _is_module_name(value):
  return isinstance(value, str) and re.fullmatch(r'vidpetl(\.\w+)+', value)


def _inside(name):
  """Returns the module of vidpetl that a name is, or is in; None if in none."""
  while name and name not in _modules():
    name = name.rpartition('.')[0]
  return name or None


@functools.cache
def _imports(module):
  """Returns the modules of vidpetl that one imports."""
  found = {_inside(name) for name in _named(module)}
  return frozenset(found - {module, None})


def _is_door(module):
  path = _modules()[module]
  if path.parent == ROOT / 'vidpetl' and path.name != '__init__.py':
    return "__name__ == '__main__'" in path.read_text()
  return path.name == '__main__.py'


def _room(module):
  _, room, *inner = (*module.split('.'), '')
  if module in COMMAND_LINE:
    return 'command line'
  if _is_door(module):
    return 'doors'
  is_package = _modules()[module].name == '__init__.py'
  return room if any(inner) or (is_package and room) else 'helpers'


def test_every_room_has_its_place():
  assert {_room(module) for module in _modules()} <= PLAN.keys()


def _same(room, other):
  return room == other != 'doors'


@pytest.mark.parametrize('room', PLAN)
def test_no_import_points_upward(room):
  upward = [
    f'{module} -> {other}'
    for module in _modules()
    if _room(module) == room and module not in MEANT
    for other in sorted(_imports(module))
    if _room(other) not in PLAN[room] and not _same(room, _room(other))
  ]
  assert not upward


def test_no_import_circle():
  left = {m: set(_imports(m)) - {m} for m in _modules() if m not in MEANT}
  for module in left:
    left[module] -= MEANT.keys()
  while free := [m for m, others in left.items() if not others & left.keys()]:
    for module in free:
      del left[module]
  # What is left imports, or is imported by, a circle.
  assert not left


def test_modules_are_imported_by_name_in_one_place():
  hidden = [
    f'{path.relative_to(ROOT)}:{node.lineno}'
    for path in _files('vidpetl', 'configs')
    if str(path.relative_to(ROOT)) not in BY_NAME
    for node in ast.walk(_tree(path))
    if isinstance(node, ast.Call)
    and ast.unparse(node.func).endswith(('import_module', '__import__'))
  ]
  assert not hidden


def _loaded(start):
  """Returns module -> the one that imports it, of all that a start imports."""
  found, new = {}, [(module, '') for module in start]
  while new:
    module, by = new.pop()
    if module in found:
      continue
    found[module] = by
    parents = module.split('.')[:-1]
    for i in range(1, len(parents) + 1):
      new.append(('.'.join(parents[:i]), module))
    if module != 'vidpetl':  # Which imports at the first use alone.
      new += [(other, module) for other in _imports(module)]
  return found


@pytest.mark.parametrize(
  'room, libraries',
  [('recipes', JAX), ('data.kinds', {'tensorflow', 'tensorflow_datasets'})],
)
def test_light_rooms_load_no_heavy_library(room, libraries):
  start = [m for m in _modules() if f'{m}.'.startswith(f'vidpetl.{room}.')]
  assert start
  heavy = [
    f'{module} (imported by {by}): {name}'
    for module, by in _loaded(start).items()
    for name in _named(module)
    if name.partition('.')[0] in libraries
  ]
  assert not heavy


def test_files_are_short():
  long = [
    f'{path.relative_to(ROOT)}: {count}'
    for path in _files('vidpetl', 'configs', 'launch', 'tests')
    if (count := len(path.read_text().splitlines())) > LINES_OF_FILE
  ]
  assert not long


def _lines(function):
  """Returns how many lines a function has without its docstring."""
  count = function.end_lineno - function.lineno + 1
  if ast.get_docstring(function, clean=False) is not None:
    text = function.body[0]
    count -= text.end_lineno - text.lineno + 1
  return count


def test_functions_are_short():
  long = [
    f'{path.relative_to(ROOT)}:{node.lineno} {node.name}: {_lines(node)}'
    for path in _files('vidpetl', 'configs', 'launch', 'tests')
    for node in ast.walk(_tree(path))
    if isinstance(node, ast.FunctionDef) and _lines(node) > LINES_OF_FUNCTION
  ]
  assert not long


def _taken(module):
  """Yields the names that a module imports or takes from what it imports."""
  for node in ast.walk(_tree(_modules()[module])):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      yield node.module
      yield from (f'{node.module}.{alias.name}' for alias in node.names)
    elif isinstance(node, ast.Attribute):
      yield ast.unparse(node)


def test_paths_are_epath():
  by_text = {m for m in _modules() if 'os.path' in _taken(m)}
  assert by_text == TEXTS.keys()
  assert not [m for m in _modules() if 'pathlib' in _taken(m)]


def _reads_text(call):
  """Returns whether a call opens a file to read text from it."""
  called = ast.unparse(call.func)
  if called.endswith('.read_text'):
    return True
  if called != 'open' and not called.endswith('Path.open'):
    return False
  modes = [
    *call.args[1:2],
    *(k.value for k in call.keywords if k.arg == 'mode'),
  ]
  mode = ast.literal_eval(modes[0]) if modes else 'r'
  return 'b' not in mode and 'r' in mode


def test_users_texts_are_opened_in_one_place():
  elsewhere = {
    module
    for module in _modules()
    if _room(module) in ('data', 'metrics')
    for node in ast.walk(_tree(_modules()[module]))
    if isinstance(node, ast.Call) and _reads_text(node)
  }
  assert elsewhere == {OPENER}
