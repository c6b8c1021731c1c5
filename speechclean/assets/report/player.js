// ---- the player: sounds run side by side, of which one is heard
// data.sounds has their names and what they are called; data.abx the two that the blind test compares.
const called = Object.fromEntries(data.sounds);
const player = { clip: 0, sound: data.sounds[0][0], playing: false, position: 0, started: 0, nodes: {}, context: null, matched: true, decoding: null };
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
  const own = ["mixture", "residual"].includes(player.sound) ? player.sound : "cleaned";
  pen.fillStyle = getComputedStyle(document.body).getPropertyValue(abx.on ? "--accent" : `--${own}`);
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
  player.sound = data.abx[side === "a" ? 0 : 1];
  hear();
  if (!player.playing && !player.decoding) play();
}
function answer(which) {
  abx.trials.push({ file: data.clips[abx.current.clip].alias, x: data.abx[abx.current.x === "a" ? 0 : 1], answer: data.abx[which === "a" ? 0 : 1], right: which === abx.current.x });
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
  select(data.sounds[0][0]);
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
  data.sounds.forEach(([name, label], index) => {
    const button = make("button", label, { "data-sound": name, title: index + 1 });
    button.onclick = () => select(name);
    $("sounds").append(button);
  });
  $("sound-keys").textContent = data.sounds.map((_, index) => index + 1).join(" ");
  document.querySelector("[data-abx=a]").textContent = `A: ${called[data.abx[0]].toLowerCase()}`;
  document.querySelector("[data-abx=b]").textContent = `B: ${called[data.abx[1]].toLowerCase()}`;
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
      ...Object.fromEntries(data.sounds.map(([name], index) => [index + 1, () => select(name)])),
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
