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
