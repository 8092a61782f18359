"""What one thing of a sweep's settings changes, in pairs."""

import math

from etils import epath

from vidpetl.studies import contrasts, settings


def measured(over, value):
  return {
    setting: {f'seed{seed}': value(setting.chosen, seed) for seed in range(3)}
    for setting in settings.parse(over)
  }


def test_a_grid_pairs_cells_that_differ_in_one_thing(tmp_path):
  value = lambda chosen, seed: (
    0.1 * seed
    + 0.5 * (chosen['b'] == 'y')
    + (chosen['m'] == 'q') * 0.01 * (1 + seed + (chosen['b'] == 'y'))
  )
  found = measured('b=x|y,weights=runs/{b},m=p|q|r,rank=2', value)
  folder = epath.Path(tmp_path)
  rows = contrasts.write(folder, found, 'a/top1').splitlines()
  # Weights follow from b, and the rank is all settings'.
  assert rows[2:] == [
    '| b=y | x | +50.3 | +48.9 to +51.8 | 3 | 0 | 3 of settings |',
    '| m=q | p | +2.5 | +1.4 to +3.6 | 6 | 0 | 6 of runs |',
    '| m=r | p | +0.0 | +0.0 to +0.0 | 0 | 0 | 6 of runs |',
  ]
  assert rows[0] == (
    '| | over | a/top1, points | 95 % | higher | lower | pairs |'
  )
  assert (folder / 'contrasts.md').read_text().splitlines() == rows
  assert (tmp_path / 'contrasts.png').stat().st_size > 5000


def test_settings_of_their_own_are_over_the_first_by_seed():
  means = {'head': 0.5, 'lora': 0.4}
  value = lambda chosen, seed: (
    math.nan
    if seed == 2 and chosen['method'] == 'lora'
    else means[chosen['method']] + 0.1 * seed + 0.2 * ('probe' in chosen)
  )
  over = 'method=head; a: method=head,probe=x; method=lora,rank=4'
  found = contrasts.find(measured(over, value))
  assert [(f.name, f.value, f.over, len(f.differences)) for f in found] == [
    ('method', 'lora', 'head', 2),
    ('probe', 'x', 'none', 3),
  ]
  one = {s: {'seed0': 1.0} for s in settings.parse('method=head|lora')}
  assert not contrasts.find(one)


def test_seeds_that_are_one_run_are_one_pair():
  found = measured('method=head|probe|lora', lambda chosen, seed: 0.5)
  alike = [each for each in found if each.chosen['method'] != 'lora']
  (only,) = contrasts.find(found, alike)
  assert (only.value, len(only.differences)) == ('lora', 3)
