"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const number = (value, signed) => {
  const digits = Math.abs(value) >= 1000 ? 0 : 2;
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) ? "−" : signed && value > 0 ? "+" : "") + text;
};
const tone = (gain) => (gain === null || Math.abs(gain) < 0.005 ? "soft" : gain > 0 ? "good" : "bad");

// ---- what the run came to
$("title").textContent = data.title;
$("verdicts").textContent = Object.entries(data.verdicts).map(([word, count]) => `${count} ${word}`).join(" · ");
$("origin").textContent = data.origin;
$("judged").textContent = data.judged_by;
{
  const head = $("headline").createTHead().insertRow(), body = $("headline").createTBody();
  ["", "mixture", "cleaned", "change", "measured by"].forEach((name, index) => head.append(make("th", name, { class: index === 4 ? "text" : "" })));
  for (const line of data.headline) {
    const row = body.insertRow(), [name, mixture, cleaned, change, by] = line.cells;
    row.append(make("td", name), make("td", mixture), make("td", cleaned));
    row.append(make("td", change, { class: tone(line.gain) }), make("td", by, { class: "text wrap soft" }));
  }
}
{
  const head = $("means").createTHead().insertRow();
  for (const name of ["metric", "mixture", "cleaned", "change", "better", "files"]) head.append(make("th", name));
  const body = $("means").createTBody();
  for (const line of data.means) {
    const row = body.insertRow();
    row.append(make("td", line.name + (line.unit ? ` [${line.unit}]` : "")), make("td", number(line.mixture)), make("td", number(line.cleaned)));
    row.append(make("td", number(line.cleaned - line.mixture, true), { class: tone(line.gain) }), make("td", line.better), make("td", line.files));
  }
}

// ---- distributions: two histograms on one axis
for (const metric of data.metrics) {
  const pairs = data.rows.map((row) => row.values[metric.name]).filter(Boolean);
  if (!pairs.length) continue;
  const all = pairs.flat(), low = Math.min(...all), high = Math.max(...all), bins = 18, span = high - low || 1;
  const tally = [0, 1].map((side) => {
    const counts = new Array(bins).fill(0);
    for (const pair of pairs) counts[Math.min(bins - 1, Math.floor(((pair[side] - low) / span) * bins))] += 1;
    return counts;
  });
  const most = Math.max(...tally.flat()), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const put = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    svg.append(element);
  };
  svg.setAttribute("viewBox", "0 0 240 96");
  tally.forEach((counts, side) => counts.forEach((count, bin) => {
    const height = (count / most) * 72;
    if (count) put("rect", { x: 2 + (bin * 236) / bins, y: 78 - height, width: 236 / bins - 1, height, class: side ? "after" : "before" });
  }));
  put("text", { x: 2, y: 91 }, number(low));
  put("text", { x: 238, y: 91, "text-anchor": "end" }, number(high));
  const figure = make("figure");
  figure.append(make("figcaption", `${metric.name}${metric.unit ? ` [${metric.unit}]` : ""} ${metric.better}`), svg);
  $("plots").append(figure);
}

// ---- the table of files
const columns = [
  { name: "file", text: true, value: (row) => row.alias },
  { name: "verdict", text: true, value: (row) => row.verdict },
  { name: "seconds", value: (row) => row.seconds },
  ...data.metrics.map((metric) => ({ name: metric.name, metric, value: (row) => (row.values[metric.name] ? row.values[metric.name][1] - row.values[metric.name][0] : null) })),
];
let sorted = { column: null, direction: 1 };
const clipOf = Object.fromEntries(data.clips.map((clip, index) => [clip.alias, index]));
const lines = data.rows.map((row) => {
  const line = make("tr");
  for (const column of columns) {
    const pair = column.metric && row.values[column.name], cell = make("td");
    if (column.metric) {
      if (pair) {
        const change = pair[1] - pair[0], better = column.metric.higher;
        cell.append(number(pair[1]) + " ", make("span", number(change, true), { class: tone(better === null ? null : better ? change : -change) }));
      }
    } else if (column.name === "seconds") cell.textContent = row.seconds === null ? "" : row.seconds.toFixed(1);
    else {
      cell.textContent = column.value(row);
      cell.className = column.name === "verdict" ? "text wrap" + (/^(harmed|failed)/.test(row.verdict) ? " bad" : /^improved/.test(row.verdict) ? " good" : "") : "text";
      if (column.name === "file") {
        cell.title = row.alias;
        if (row.alias in clipOf) {
          cell.classList.add("plays");
          cell.onclick = () => { choose(clipOf[row.alias]); $("listen").scrollIntoView(); };
        }
      }
    }
    line.append(cell);
  }
  return { row, line };
});
const body = $("files").createTBody();
{
  const head = $("files").createTHead().insertRow();
  columns.forEach((column, index) => {
    const cell = make("th", column.name, { tabindex: "0", scope: "col", class: column.text ? "text" : "" });
    cell.onclick = () => sortBy(index);
    cell.onkeydown = (event) => { if (event.key === "Enter") sortBy(index); };
    head.append(cell);
  });
}
function sortBy(index) {
  sorted = { column: index, direction: sorted.column === index ? -sorted.direction : 1 };
  document.querySelectorAll("#files th").forEach((cell, other) => {
    if (other === index) cell.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
  show();
}
function show() {
  const wanted = $("find").value.trim().toLowerCase();
  let chosen = lines.filter(({ row }) => !wanted || `${row.alias} ${row.verdict}`.toLowerCase().includes(wanted));
  if (sorted.column !== null) {
    const { value, text } = columns[sorted.column];
    chosen = [...chosen].sort((one, other) => {
      const [a, b] = [value(one.row), value(other.row)];
      if (a === null || b === null) return (a === null) - (b === null);  // what has no value stays below either way
      return sorted.direction * (text ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
    });
  }
  body.replaceChildren(...chosen.map(({ line }) => line));
  $("shown").textContent = `${chosen.length} of ${lines.length} files`;
}
$("find").oninput = show;
show();

// ---- the player: three sounds run side by side, of which one is heard
const player = { clip: 0, sound: "mixture", playing: false, position: 0, started: 0, nodes: {}, context: null, matched: true, decoding: null };
window.player = player;
const decoded = new Map();
const clip = () => data.clips[player.clip];
function context() {
  if (!player.context) player.context = new (window.AudioContext || window.webkitAudioContext)();
  return player.context;
}
function decode(index) {
  if (!decoded.has(index)) {
    const one = data.clips[index];
    const jobs = Object.entries(one.sounds).map(async ([name, sound]) => {
      const bytes = Uint8Array.from(atob(sound.mp3), (character) => character.charCodeAt(0));
      return [name, await context().decodeAudioData(bytes.buffer)];
    });
    decoded.set(index, Promise.all(jobs).then(Object.fromEntries));
    if (decoded.size > 4) decoded.delete(decoded.keys().next().value);  // a phone has little memory
  }
  return decoded.get(index);
}
function levelOf(name) {
  return player.matched || abx.on ? clip().sounds[name].matched : 1;
}
function hear() {
  for (const [name, node] of Object.entries(player.nodes)) {
    node.gain.gain.setTargetAtTime(name === player.sound ? levelOf(name) : 0, player.context.currentTime, 0.004);
  }
}
function now() {
  if (!player.playing) return player.position;
  return (player.position + player.context.currentTime - player.started) % clip().seconds;
}
async function play() {
  const index = player.clip, ticket = (player.decoding = {});
  await context().resume();
  const buffers = await decode(index);
  if (ticket !== player.decoding || index !== player.clip || player.playing) return;
  for (const [name, buffer] of Object.entries(buffers)) {
    const source = player.context.createBufferSource(), gain = player.context.createGain();
    source.buffer = buffer; source.loop = true; source.loopEnd = clip().seconds;
    gain.gain.value = name === player.sound ? levelOf(name) : 0;
    source.connect(gain).connect(player.context.destination);
    player.nodes[name] = { source, gain };
  }
  const start = player.context.currentTime + 0.02;
  for (const node of Object.values(player.nodes)) node.source.start(start, player.position);
  player.started = start;
  player.playing = true;
  draw();
}
function pause() {
  player.decoding = null;
  if (!player.playing) return;
  player.position = Math.max(0, now());
  player.playing = false;
  for (const node of Object.values(player.nodes)) node.source.stop();
  player.nodes = {};
  draw();
}
function seek(seconds) {
  const was = player.playing || player.decoding;
  pause();
  player.position = Math.min(Math.max(seconds, 0), clip().seconds - 0.01);
  if (was) play();
  draw();
}
function choose(index) {
  const was = player.playing || player.decoding;
  pause();
  player.clip = (index + data.clips.length) % data.clips.length;
  player.position = 0;
  if (was) play();
  select(player.sound);
}
function select(name) {
  player.sound = name;
  hear();
  if (!abx.on) $("spectrogram").src = "data:image/png;base64," + clip().sounds[name].png;
  wave();
  draw();
}
function wave() {
  const canvas = $("wave"), box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, box.width * scale); canvas.height = Math.max(1, box.height * scale);
  const pen = canvas.getContext("2d"), peaks = clip().sounds[player.sound].peaks, middle = canvas.height / 2;
  pen.fillStyle = getComputedStyle(document.body).getPropertyValue("--accent");
  peaks.forEach((peak, index) => {
    const height = Math.max(1, (peak / 100) * canvas.height);
    pen.fillRect((index * canvas.width) / peaks.length, middle - height / 2, Math.max(1, canvas.width / peaks.length - 0.5), height);
  });
}
function draw() {
  const at = now(), seconds = clip().seconds;
  $("cursor").style.left = `${(100 * at) / seconds}%`;
  $("time").textContent = `${at.toFixed(1)} of ${seconds.toFixed(1)} s`;
  $("stage").setAttribute("aria-valuemax", seconds.toFixed(1));
  $("stage").setAttribute("aria-valuenow", at.toFixed(1));
  $("play").textContent = player.playing ? "❚❚ Pause" : "▶ Play";
  $("clip-name").textContent = `${clip().alias}: ${clip().why}`;
  document.querySelectorAll("#sounds button").forEach((button) => button.setAttribute("aria-pressed", button.dataset.sound === player.sound));
  document.querySelectorAll("#clips button").forEach((button, index) => button.setAttribute("aria-selected", index === player.clip));
}
function tick() {
  if (player.playing) draw();
  requestAnimationFrame(tick);
}

// ---- blind test
const abx = { on: false, seed: 0, trials: [], count: 0, random: null, current: null };
window.abx = abx;
function mulberry32(seed) {  // a small generator, so that a seed gives one order of trials everywhere
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
function chance(right, count) {  // of as many right answers or more by guessing
  let sum = 0, term = 0.5 ** count;
  for (let k = 0; k <= count; k += 1) {
    if (k >= right) sum += term;
    term *= (count - k) / (k + 1);
  }
  return Math.min(1, sum);
}
function startAbx() {
  abx.seed = Number($("abx-seed").value) || 0;
  abx.count = Math.min(100, Math.max(1, Number($("abx-trials").value) || 10));
  abx.random = mulberry32(abx.seed); abx.trials = []; abx.on = true;
  document.body.classList.add("blind");
  $("abx-run").hidden = false; $("abx-result").hidden = true;
  nextTrial();
}
function nextTrial() {
  abx.current = { clip: Math.floor(abx.random() * data.clips.length), x: abx.random() < 0.5 ? "a" : "b" };
  pause();
  choose(abx.current.clip);
  $("abx-progress").textContent = `Trial ${abx.trials.length + 1} of ${abx.count}: listen to A, B and X, then say which X is.`;
  hearAbx("a");
}
function hearAbx(which) {
  document.querySelectorAll("[data-abx]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.abx === which));
  const side = which === "x" ? abx.current.x : which;
  player.sound = side === "a" ? "mixture" : "cleaned";
  hear();
  if (!player.playing && !player.decoding) play();
}
function answer(which) {
  abx.trials.push({ file: data.clips[abx.current.clip].alias, x: abx.current.x === "a" ? "mixture" : "cleaned", answer: which === "a" ? "mixture" : "cleaned", right: which === abx.current.x });
  if (abx.trials.length < abx.count) return nextTrial();
  const right = abx.trials.filter((trial) => trial.right).length, p = chance(right, abx.count);
  abx.on = false;
  pause();
  document.body.classList.remove("blind");
  $("abx-run").hidden = true; $("abx-result").hidden = false;
  $("abx-score").textContent = `${right} of ${abx.count} right; guessing would do as well or better with probability ${p < 0.001 ? "below 0.001" : p.toFixed(3)}.`;
  const text = JSON.stringify({ run: data.name, seed: abx.seed, right, count: abx.count, p, trials: abx.trials }, null, 2);
  $("abx-json").value = text;
  const link = $("abx-save");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `abx_${data.name}_seed${abx.seed}.json`;
  select("mixture");
}

// ---- wiring
if (!data.clips.length) {
  $("listen").querySelectorAll("#player, #abx, #clips").forEach((element) => { element.hidden = true; });
  $("how").textContent = "There are no snippets: set output.ab_seconds above 0.";
} else {
  $("how").textContent = data.how;
  data.clips.forEach((one, index) => {
    const button = make("button", null, { role: "tab" });
    button.append(make("span", one.why, { class: "what" }), make("span", one.alias));
    button.onclick = () => choose(index);
    $("clips").append(button);
  });
  $("play").onclick = () => (player.playing || player.decoding ? pause() : play());
  document.querySelectorAll("#sounds button").forEach((button) => { button.onclick = () => select(button.dataset.sound); });
  $("match").onchange = () => { player.matched = $("match").checked; hear(); };
  const point = (event) => {
    const box = $("stage").getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * clip().seconds);
  };
  $("stage").onpointerdown = point;
  $("stage").onpointermove = (event) => { if (event.buttons) point(event); };
  $("abx-seed").value = data.seed;
  $("abx-start").onclick = startAbx;
  document.querySelectorAll("[data-abx]").forEach((button) => { button.onclick = () => hearAbx(button.dataset.abx); });
  document.querySelectorAll("[data-answer]").forEach((button) => { button.onclick = () => answer(button.dataset.answer); });
  document.addEventListener("keydown", (event) => {
    if (/^(INPUT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const open = abx.on ? { a: () => hearAbx("a"), b: () => hearAbx("b"), x: () => hearAbx("x") } : {
      1: () => select("mixture"), 2: () => select("cleaned"), 3: () => select("residual"),
      ArrowUp: () => choose(player.clip - 1), ArrowDown: () => choose(player.clip + 1),
      l: () => { $("match").checked = !$("match").checked; $("match").onchange(); },
    };
    const action = { " ": () => $("play").onclick(), ArrowLeft: () => seek(now() - 1), ArrowRight: () => seek(now() + 1), ...open }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  window.addEventListener("resize", wave);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", wave);
  choose(0);
  requestAnimationFrame(tick);
}
document.documentElement.dataset.ready = "yes";
