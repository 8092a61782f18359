"""Programs for TPU slices: their names, their text, what is told of them."""

import importlib.util
import subprocess

import chips
import experiments
import jax
import pytest

from vidpetl.experiment import complete
from vidpetl.recipes import methods
from vidpetl.studies.pods import (
  asking,
  bounds,
  compiler,
  hiding,
  program,
  topologies,
  traffic,
)

TEXT = """HloModule jit_step, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  ROOT %sum = f32[] add(%a, %b)
}

%all-reduce-scatter.1 (p: bf16[8,16]) -> bf16[2,16] {
  %p = bf16[8,16]{1,0:T(8,128)} parameter(0)
  %ar = bf16[8,16]{1,0:T(8,128)} all-reduce(%p), to_apply=%add
  ROOT %part = bf16[2,16]{1,0} dynamic-slice(%ar)
}

%body (s: f32[4]) -> f32[4] {
  %s = f32[4] parameter(0)
  %g = (f32[1]{0:T(128)}, f32[4]{0:T(128)}) all-gather-start(%s), dimensions={0}
  %work = f32[4] fusion(%s), kind=kLoop, calls=%none, backend_config={"estimated_cycles":"70"}
  ROOT %d = f32[4] all-gather-done(%g)
}

ENTRY %main (x: f32[4], y: bf16[8,16]) -> f32[4] {
  %x = f32[4]{0:T(128)S(1)} parameter(0)
  %r = (f32[24,16]{0,1:T(8,128)S(1)}, /*index=1*/f32[]{:T(128)}) all-reduce(%x, %x), to_apply=%add
  %f = bf16[2,16]{1,0} fusion(%y), kind=kCustom, calls=%all-reduce-scatter.1
  ROOT %w = f32[4] while(%x), condition=%cond, body=%body, backend_config={"known_trip_count":{"n":"3"}}
}
"""  # noqa: E501


def test_collectives_of_loops_count_as_often_as_they_run():
  found = program.collectives(program.Program(TEXT))
  assert found == {
    'all-reduce': {'count': 1, 'bytes': 4 * 24 * 16 + 4},
    'reduce-scatter': {'count': 1, 'bytes': 2 * 8 * 16},
    'all-gather': {'count': 3, 'bytes': 3 * 16},
  }


def test_loops_of_tpus_are_counted_by_their_conditions():
  condition = """%cond (s: f32[4]) -> pred[] {
  %n = s32[]{:T(128)} constant(5)
  ROOT %lt = pred[]{:T(512)} compare(%s, %n), direction=LT
}

ENTRY"""
  text = TEXT.replace('known_trip_count', 'none').replace('ENTRY', condition)
  found = program.collectives(program.Program(text))
  assert found['all-gather'] == {'count': 5, 'bytes': 5 * 16}


def test_a_collective_is_hidden_by_what_runs_before_it_is_waited_for():
  found = hiding.hidden(program.Program(TEXT))
  assert found.behind == 48 and found.cycles == 210
  assert found.bytes == 48 + 4 * 24 * 16 + 4 + 256
  idle = program.Program(TEXT.replace('"estimated_cycles":"70"', ''))
  assert hiding.hidden(idle).behind == 0


CHAINS = """HloModule jit_step, is_scheduled=true

%begin (p: bf16[8]) -> bf16[8] {
  %p = bf16[8] parameter(0)
  ROOT %r.1 = bf16[8] all-reduce(%p), channel_id=4, to_apply=%add, frontend_attributes={chain_id="0"}
}

%beside (q: bf16[8]) -> bf16[8] {
  %q = bf16[8] parameter(0)
  ROOT %r.2 = bf16[8]{0:S(1)} all-reduce(%q), channel_id=4, to_apply=%add, frontend_attributes={chain_id="0"}
}

%end (s: bf16[8]) -> bf16[8] {
  %s = bf16[8] parameter(0)
  ROOT %r.3 = bf16[8] all-reduce(%s), channel_id=4, to_apply=%add, frontend_attributes={chain_id="0"}
}

ENTRY %main (x: bf16[8]) -> bf16[8] {
  %x = bf16[8] parameter(0)
  %before = bf16[8] fusion(%x), kind=kLoop, calls=%none, backend_config={"estimated_cycles":"5"}
  %async-collective-start = bf16[8] fusion(%x), kind=kCustom, calls=%begin
  %fusion.2 = bf16[8] fusion(%x), kind=kOutput, calls=%beside, backend_config={"estimated_cycles":"10"}
  %fusion.3 = bf16[8] fusion(%x), kind=kLoop, calls=%none, backend_config={"estimated_cycles":"20"}
  %async-collective-done = bf16[8] fusion(%fusion.2), kind=kCustom, calls=%end
  ROOT %alone = bf16[8] all-reduce(%x), channel_id=5, to_apply=%add
}
"""  # noqa: E501


def test_a_collective_within_fusions_is_one():
  found = program.collectives(program.Program(CHAINS))
  assert found == {'all-reduce': {'count': 2, 'bytes': 32}}


@pytest.mark.parametrize('each, waiting', [(12, 12), (40, 10 + 40)])
def test_chips_wait_for_what_takes_longer_than_what_they_compute(each, waiting):
  text = program.Program(CHAINS)
  found = hiding.hidden(text, seconds=lambda kind, size: each)
  assert (found.bytes, found.behind, found.cycles) == (32, 16, 30)
  assert found.waiting == waiting


GRADIENTS = """HloModule jit_step, is_scheduled=true

%sum (q: bf16[8]) -> bf16[4] {
  %q = bf16[8]{0} parameter(0)
  ROOT %half = bf16[4]{0} slice(%q), slice={[0:4]}
}

ENTRY %main (x: bf16[8]) -> bf16[4] {
  %x = bf16[8]{0} parameter(0)
  %r = bf16[8]{0} all-reduce-start(%x), channel_id=4, to_apply=%add
  %f = bf16[4]{0} fusion(%x), kind=kLoop, calls=%sum
  %d = bf16[8]{0} all-reduce-done(%r)
  ROOT %g = bf16[4]{0} fusion(%d), kind=kLoop, calls=%sum
}
"""


def test_gpus_compute_for_as_long_as_they_read_and_write():
  text = program.Program(GRADIENTS)
  work = traffic.work(text)
  moved = {each.name: work(each) for each in text.computations['main']}
  assert moved == {'x': 0, 'r': 0, 'f': 16, 'd': 0, 'g': 16}
  assert [work(each) for each in text.computations['sum']] == [0, 0]
  found = hiding.hidden(text, lambda kind, size: 10 * size, 0.5, work)
  assert (found.bytes, found.behind, found.cycles) == (16, 16, 16)
  assert found.waiting == 160 - 16 / 0.5


MOVING = """HloModule jit_step, is_scheduled=true

%put.1 (all: bf16[9,16,128], row: bf16[1,16,128], i: s32[]) -> bf16[9,16,128] {
  %all = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %row = bf16[1,16,128]{2,1,0:T(8,128)(2,1)} parameter(1)
  %i = s32[]{:T(128)} parameter(2)
  ROOT %dus = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} dynamic-update-slice(%all, %row, %i)
}

%take.1 (whole: bf16[9,16,128], at: s32[]) -> bf16[1,16,128] {
  %whole = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %at = s32[]{:T(128)} parameter(1)
  %flat = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} bitcast(%whole)
  ROOT %cut = bf16[1,16,128]{2,1,0:T(8,128)(2,1)} dynamic-slice(%flat, %at), dynamic_slice_sizes={1,16,128}
}

ENTRY %main (x: bf16[9,16,128], n: s32[]) -> bf16[9,16,128] {
  %x = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} parameter(0)
  %n = s32[]{:T(128)S(6)} parameter(1)
  %aside = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} custom-call(), custom_call_target="AllocateBuffer"
  %near = bf16[1,16,128]{2,1,0:T(8,128)(2,1)S(1)} fusion(%x, %n), kind=kLoop, calls=%take.1, backend_config={"estimated_cycles":"30"}
  %wide = f32[16,3]{1,0:T(8,128)} convert(%near)
  ROOT %out = bf16[9,16,128]{2,1,0:T(8,128)(2,1)} fusion(%x, %near, %n), kind=kLoop, calls=%put.1, backend_config={"estimated_cycles":"70"}
}
"""  # noqa: E501


def test_what_moves_are_slices_of_what_lies_in_hbm_in_its_tiles():
  found = program.Program(MOVING)
  row, wide = 16 * 128 * 2, 16 * 128 * 4
  # A slice taken, 3 columns in tiles of 128, a slice put; nothing of what is
  # only set aside.
  assert traffic.moved(found) == row + wide + row
  assert traffic.cycles(found) == 100


LENT = """HloModule gpu, is_scheduled=true

ENTRY %main (x: bf16[8,16], w: bf16[16,4]) -> bf16[8,4] {
  %x = bf16[8,16]{1,0} parameter(0)
  %w = bf16[16,4]{1,0} parameter(1)
  %both = (bf16[8,4]{1,0}, s8[33554432]{0}) custom-call(%x, %w), custom_call_target="__cublas$gemm"
  ROOT %y = bf16[8,4]{1,0} get-tuple-element(%both), index=0
}
"""  # noqa: E501


def test_what_a_library_is_lent_is_not_moved():
  assert traffic.moved(program.Program(LENT)) == 2 * (8 * 16 + 16 * 4 + 8 * 4)


def test_a_step_is_bounded_by_the_slower_of_products_and_memory():
  found = {
    'slice': 'v5e-16',
    'flops': {'step': 3e12, 'needed': 2e12},
    'moved': 8.19e9,
    'cycles': 30_000_000,
    'collectives': {'all-reduce': {'count': 1, 'bytes': 100e6}},
    'hidden': {'waiting': 0.0004},
  }
  at_best = bounds.bounds(found, 'bfloat16')
  assert at_best.bound == 'products' and at_best.compiler == 0.02
  assert at_best.memory == pytest.approx(0.01)
  assert at_best.mfu == pytest.approx(2 / 3)
  assert at_best.links == pytest.approx(0.001)
  assert at_best.scaling == pytest.approx(1 - 1 / (1 + at_best.seconds / 4e-4))


def test_slices_have_the_names_of_google_cloud():
  # v4 and v5p are named by their cores, of which a chip has two.
  assert topologies.find('v4-128').layout == (4, 4, 4)
  assert topologies.find('v5e-16').chips == 16
  assert topologies.find('v5p-256').chips == 128
  with pytest.raises(ValueError, match=r"is called 'v5e-17'; .*v6e-256"):
    topologies.target('v5e-17')
  assert topologies.target('cpu-8').chips == 8
  with pytest.raises(ValueError, match='cpu-1 to cpu-64'):
    topologies.target('cpu-65')
  assert topologies.target('h100').memory == 80 * 2**30
  for name, chips_there in (('h100', 1), ('a100-80', 1), ('a100-80-4', 4)):
    part = topologies.target(name)
    assert (part.name, part.chips) == (name, chips_there)
  # What is summed goes over the links twice.
  assert part.seconds('all-reduce', 3e11) == 2.0
  assert part.seconds('all-gather', 3e11) == 1.0
  for name in ('h100-9', 'h100-1', 'a100-8', 'v100-2'):
    with pytest.raises(ValueError, match='with -2 to -8 behind the name'):
      topologies.target(name)
  with pytest.raises(ValueError, match=r'GPUs: .*h200.* mean h100'):
    topologies.target('h10')


def compiled(**more):
  parts = {'trained': 2**20, 'frozen': 0, 'optimizer': 2**21, 'batch': 2**20}
  return {
    'slice': 'v5e-16',
    'chips': 16,
    'hbm': 2**34,
    'task': 'ava',
    'batch': 16,
    'seconds': 2.0,
    'flops': {'step': 4e9, 'needed': 3e9},
    'memory': parts,
    **more,
  }


def test_what_does_not_fit_says_how_much_over():
  full = compiler.too_much(
    'RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory '
    'in memory space hbm. Used 18.02G of 15.75G hbm. Exceeded hbm capacity by '
    '2.27G.'
  )
  told = asking.report(compiled(full=full), {})
  assert 'needs 18.02 GiB of the 15.75' in told and '2.27 too many' in told
  assert '1.0 of them computed again' in told


def test_a_program_that_does_not_fit_is_no_error(monkeypatch):
  class Lowered:
    def compile(self):
      raise jax.errors.JaxRuntimeError(
        'RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory '
        'required for HLO temporaries (19.26G) exceeds available HBM (15.75G).'
      )

  lower = lambda *_: Lowered()
  monkeypatch.setattr(compiler.programs, 'lower', lower)
  config = experiments.load_config('vpetl', 'dataset=hmdb51,demo,head=true')
  config = complete.complete(config)
  found = compiler.compile_step(config, 'cpu-1', 'hmdb51')
  told = asking.report(compiled(**found), {})
  assert 'needs 19.26 GiB of the 15.75' in told


def test_a_compiler_that_breaks_down_is_told_with_its_signal():
  done = subprocess.CompletedProcess([], -11, '', 'one\n\nSegmentation\n')
  told = asking.broken('v5e-256', done)
  assert 'SIGSEGV' in told and told.endswith('one / Segmentation')


@pytest.mark.parametrize('name, extra', [('v5e-4', 'tpu'), ('h100', 'cuda')])
def test_a_compiler_is_asked_for_by_its_command(monkeypatch, name, extra):
  real, needs = importlib.util.find_spec, topologies.target(name).needs
  without = lambda name: None if name == needs else real(name)
  monkeypatch.setattr(importlib.util, 'find_spec', without)
  config = experiments.load_config('cofinetune_ava', 'demo,finetune')
  with pytest.raises(ValueError, match=rf'pip install "vidpetl\[{extra}\]"'):
    asking.check(config, name)


def test_a_task_is_one_of_the_config():
  config = experiments.load_config('cofinetune_ava', 'demo,finetune')
  with pytest.raises(ValueError, match=r'config\.tasks has ava'):
    asking.check(config, 'v5e-4', 'hmdb51')


@pytest.mark.slow
@chips.gpus_needed
def test_gpus_of_a_host_send_gradients_alone(make_config):
  config = make_config('kinetics400', batch_size=4, dtype='bfloat16')
  found = asking.ask(config, 'h100-2')
  (sent,) = found['collectives'].values()
  trained = found['memory']['trained']
  assert trained / 2 <= sent['bytes'] < 1.1 * trained
  assert 0 < found['hidden']['waiting'] < 1e-3
  told = asking.report(found, {'gradients': 0, 'tasks': {'kinetics400': 2**20}})
  assert 'Over all links' in told and '2 devices' in told


@pytest.mark.slow
@chips.gpus_needed
def test_a_step_is_compiled_for_a_gpu(make_config):
  """Attention is cuDNN's, which a GPU's mesh does not tell by itself."""
  config = make_config('kinetics400', batch_size=4, dtype='bfloat16')
  found = asking.ask(config, 'h100')
  told = asking.report(found, {'gradients': 0, 'tasks': {'kinetics400': 2**20}})
  assert 'It fits' in told and 'The compiler reckons' not in told
  assert found['moved'] > found['memory']['trained']
  assert not found['collectives']


def test_a_step_may_be_too_much_for_a_gpu():
  part, more = topologies.target('t4'), 2**34
  sizes = {'arguments': 1, 'temporary': 2, 'new output': 3, 'program': 0}
  assert not asking.over({'memory': sizes}, part)
  full = asking.over({'memory': sizes | {'program': more}}, part)
  assert full == {'needed': more + 6, 'available': more}


@pytest.mark.slow
@chips.needed
@pytest.mark.parametrize('method', ['full', 'st_adapter'])
@pytest.mark.parametrize(
  'overlap, least, most', [(True, 0.9, 1), (False, 0, 0)]
)
def test_gradients_are_summed_while_others_are_computed(
  make_config, method, overlap, least, most
):
  petl, rules = methods.make(method)
  wide = {
    'batch_size': 4, 'dtype': 'bfloat16', 'mesh.overlap': overlap,
    'backbone.width': 512, 'backbone.mlp': 2048,
    'petl': petl, 'trainable': rules,
  }  # fmt: skip
  found = asking.ask(make_config('kinetics400', **wide), 'v5e-4')
  sent = found['hidden']
  assert least <= sent['behind'] / sent['bytes'] <= most


@pytest.mark.slow
@pytest.mark.parametrize(
  'name',
  [
    'cpu-4',
    pytest.param('v5e-4', marks=chips.needed),
  ],
)
def test_a_step_is_compiled_for_several_devices(make_config, name):
  config = make_config('kinetics400', batch_size=4)
  found = asking.ask(config, name)
  # Gradients of what trains, and the scalars of the step.
  reduced = found['collectives']['all-reduce']['bytes']
  trained = found['memory']['trained']
  assert trained <= reduced < 1.1 * trained + 1024
  assert set(found['collectives']) == {'all-reduce'}
  assert 'It fits' in asking.report(
    found, {'gradients': trained, 'tasks': {'kinetics400': 2**20}}
  )
  with pytest.raises(ValueError, match='does not split over 4 devices'):
    asking.ask(make_config('kinetics400', batch_size=6), name)
