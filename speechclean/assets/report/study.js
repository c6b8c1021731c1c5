// ---- what the study came to: sentences and tables, the best settings above the player
$("title").textContent = data.title;
for (const line of data.lines) $("lines").append(make("p", line, { class: "hint" }));
data.tables.forEach((one, index) => {
  const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody(), frame = make("div", null, { class: "scroll" });
  one.head.forEach((name, place) => head.append(make("th", name, place < 2 ? { class: "text" } : {})));
  one.rows.forEach((cells, place) => {
    const row = body.insertRow();
    if (one.marked.includes(place)) row.className = "marked";
    cells.forEach((cell, column) => row.append(make("td", cell, column < 2 ? { class: "text" } : {})));
  });
  frame.append(table);
  $(index ? "tables" : "best").append(make("h2", one.title), frame);
});
if (!data.clips.length) $("listen").hidden = true;
if (!document.querySelector(".plot")) $("drawn").hidden = true;
