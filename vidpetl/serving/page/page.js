// The page of a server: sends a film to /predict and shows what it says.
'use strict';

const COLOURS = ['#3d7be0', '#e0662f', '#2f9e63', '#b455c8', '#c79a16'];
const LINES = 5, ROWS = 300;
const SILENT = 'The server did not answer: is it still running?';
const at = id => document.getElementById(id);
let models = [], limits = {}, film = null;

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

function drawing(name, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  if (text !== undefined) made.textContent = text;
  return made;
}

function show(id, text) {
  at(id).textContent = text || '';
  at(id).hidden = !text;
}

function fill(select, names) {
  select.replaceChildren(...names.map(n => element('option', n, {value: n})));
}

const chosenRun = () => models.find(m => m.run === at('run').value);
const chosenTask = () =>
  chosenRun().tasks.find(t => t.task === at('task').value);

function tasks() {
  fill(at('task'), chosenRun().tasks.map(t => t.task));
  at('example').hidden = !chosenRun().example;
  kind();
}

function kind() {
  const scored = chosenTask().kind === 'quality';
  document.querySelectorAll('.score').forEach(l => { l.hidden = !scored; });
}

function choose(file) {
  if (!file) return;
  film = file;
  const size = (file.size / 1e6).toFixed(1);
  at('chosen').textContent = `${file.name} (${size} MB)`;
  const large = file.size > limits.megabytes * 1e6;
  show('error', large && `${file.name} has ${size} MB; this server takes up ` +
    `to ${limits.megabytes} MB: choose a shorter or smaller film.`);
  at('ask').disabled = large;
}

async function example() {
  const run = encodeURIComponent(at('run').value);
  try {
    const response = await fetch(`/example?run=${run}`);
    if (!response.ok) throw new TypeError();
    choose(new File([await response.blob()], 'film.mp4'));
  } catch {
    show('error', SILENT);
  }
}

async function ask(event) {
  event.preventDefault();
  const form = new FormData();
  form.append('run', at('run').value);
  form.append('task', at('task').value);
  form.append('overlay', '1');
  if (chosenTask().kind === 'quality') {
    for (const name of ['difficulty', 'action']) {
      if (at(name).value) form.append(name, at(name).value);
    }
  }
  form.append('film', film, film.name);
  show('error');
  show('state', 'The film is sent and answered …');
  at('answer').hidden = true;
  at('ask').disabled = true;
  try {
    const response = await fetch('/predict', {method: 'POST', body: form});
    const said = await response.json();
    if (!response.ok) throw new Error(said.error);
    answered(said);
  } catch (error) {
    show('error', error instanceof TypeError ? SILENT : error.message);
  }
  show('state');
  at('ask').disabled = false;
}

function answered(said) {
  at('title').textContent = `${said.film}: ${said.task}`;
  at('shown').src = said.overlay;
  at('parts').replaceChildren(...parts(said));
  at('json').textContent = JSON.stringify(said, null, 1);
  at('answer').hidden = false;
}

// What each kind of answer consists of.
function parts(said) {
  const made = [];
  if (typeof said.score === 'number') {
    made.push(element('p', said.score.toFixed(2), {class: 'big'}));
  }
  if (said.top) made.push(heading('The whole film'), best(said.top));
  if (said.windows && said.windows.length && said.windows[0].top) {
    made.push(heading('Over time'), ...overTime(said));
  }
  if (said.people) made.push(...people(said.people));
  for (const [name, value] of Object.entries(said)) {
    if (['top', 'people'].includes(name) || !(value instanceof Object)) continue;
    const rows = flat(Array.isArray(value) ? value : [value]);
    if (rows.length) made.push(heading(name), ...table(rows));
  }
  return made;
}

const heading = text =>
  element('h3', text.charAt(0).toUpperCase() + text.slice(1));
const share = score => `${(100 * score).toFixed(1)} %`;

function best(top) {
  const rows = element('table');
  for (const {class: name, score} of top) {
    const row = rows.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().append(element('meter', undefined, {value: score}));
    row.insertCell().textContent = share(score);
    row.lastChild.className = 'number';
  }
  return rows;
}

// Rows of numbers and words; the best class stands for all of a window.
function flat(rows) {
  return rows.map(row => {
    if (!(row instanceof Object)) return {value: row};
    const {top, ...rest} = row;
    const cells = Object.entries(rest).filter(([, v]) => !(v instanceof Object));
    if (top && top.length) {
      cells.push(['class', top[0].class], ['score', top[0].score]);
    }
    return Object.fromEntries(cells);
  }).filter(row => Object.keys(row).length);
}

function cell(value, digits) {
  if (typeof value === 'number') return value.toFixed(digits);
  return value === null ? '' : String(value);
}

// A table of the first rows, and how many there are.
function table(every) {
  const rows = every.slice(0, ROWS);
  const made = element('table'), head = made.createTHead().insertRow();
  const names = [...new Set(rows.flatMap(Object.keys))];
  const number = n => rows.some(r => typeof r[n] === 'number') ? 'number' : '';
  const whole = n => rows.every(
    r => typeof r[n] !== 'number' || Number.isInteger(r[n]));
  for (const name of names) {
    head.append(element('th', name.replace('_', ' '), {class: number(name)}));
  }
  const body = made.createTBody();
  for (const each of rows) {
    const row = body.insertRow();
    for (const name of names) {
      const place = row.insertCell();
      place.textContent = cell(each[name] ?? null, whole(name) ? 0 : 3);
      place.className = number(name);
    }
  }
  const around = element('div', undefined, {class: 'scroll', tabindex: '0'});
  around.append(made);
  const more = element('p', `The first ${ROWS} of ${every.length} rows; the ` +
    'JSON below has all.', {class: 'quiet'});
  return every.length > ROWS ? [around, more] : [around];
}

function people(found) {
  if (!found.length) return [element('p', 'Nobody was found in this film.')];
  const rows = found.flatMap(each => each.actions.flatMap(
    ({seconds, top}) => top.slice(0, 3).map(
      t => ({person: each.person, seconds, action: t.class, score: t.score}))));
  return [heading('People'), ...table(rows)];
}

// A plot of the classes that are best of the whole film.
function overTime(said) {
  const width = at('form').clientWidth, height = 220;
  const left = 44, bottom = 24, top = 8;
  const x = s => left + (width - left - 8) * s / (said.duration || 1);
  const y = v => top + (height - top - bottom) * (1 - v);
  const plot = drawing('svg', {
    viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': 'scores of the best classes over time'});
  for (const value of [0, 0.5, 1]) {
    plot.append(drawing('line', {class: 'axis', x1: left, x2: width - 8,
      y1: y(value), y2: y(value)}));
    plot.append(drawing('text', {x: 2, y: y(value) + 4}, share(value).replace('.0', '')));
  }
  for (const part of [0, 0.5, 1]) {
    plot.append(drawing('text', {x: x(part * said.duration), y: height - 6,
      'text-anchor': ['start', 'middle', 'end'][2 * part]},
    `${(part * said.duration).toFixed(1)} s`));
  }
  const legend = element('div', undefined, {class: 'legend'});
  said.top.slice(0, LINES).forEach(({class: name}, i) => {
    for (const points of lines(said.windows, name, x, y)) {
      plot.append(drawing('polyline', {points, fill: 'none',
        stroke: COLOURS[i], 'stroke-width': 3, 'stroke-linejoin': 'round'}));
    }
    const entry = element('span'), dot = drawing('svg', {viewBox: '0 0 12 12'});
    dot.append(drawing('circle', {cx: 6, cy: 6, r: 6, fill: COLOURS[i]}));
    entry.append(dot, name);
    legend.append(entry);
  });
  return [plot, legend];
}

// A line ends where its class is not among the best, as its score is not known.
function lines(windows, name, x, y) {
  const found = [[]];
  for (const {begin, end, top} of windows) {
    const best = top.find(t => t.class === name);
    if (best) {
      found.at(-1).push(`${x(begin)},${y(best.score)} ${x(end)},${y(best.score)}`);
    } else if (found.at(-1).length) {
      found.push([]);
    }
  }
  return found.filter(l => l.length).map(l => l.join(' '));
}

async function begin() {
  ({models, limits} = await (await fetch('/models')).json());
  at('bounds').textContent = `A film of up to ${limits.megabytes} MB and ` +
    `${limits.seconds} s. It is removed when it is answered; with its answer ` +
    `drawn in it is kept for ${Math.ceil(limits.keep / 60)} min.`;
  fill(at('run'), models.map(m => m.run));
  tasks();
}

at('run').addEventListener('change', tasks);
at('example').addEventListener('click', example);
at('task').addEventListener('change', kind);
at('film').addEventListener('change', () => choose(at('film').files[0]));
at('form').addEventListener('submit', ask);
for (const name of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(name, event => {
    event.preventDefault();
    at('drop').classList.toggle('over', name === 'dragover');
    if (name === 'drop') choose(event.dataTransfer.files[0]);
  });
}
begin().catch(() => show('error', SILENT));
