"use strict";
// Shows one frame of /_lab/events after the other. Text comes in as text, never as HTML.

const KEPT = 120; // frames in the curve: a minute
const rates = [];

const element = (id) => document.getElementById(id);
const set = (id, text) => { element(id).textContent = text; };
const whole = (value) => Math.round(value).toLocaleString("en");
const percent = (value) => (value === null ? "-" : `${Math.round(value * 100)} %`);

function micros(value) {
  if (value === null) return "-";
  return value >= 100 ? whole(value) : value.toFixed(value >= 10 ? 1 : 2);
}

// A table's row of `cells`: texts, or a bar as {class: its share of the width}.
function fill(row, cells) {
  cells.forEach((cell, i) => {
    const td = row.cells[i] || row.insertCell();
    if (typeof cell === "string") {
      td.textContent = cell;
      return;
    }
    if (!td.firstChild) {
      td.className = "wide";
      td.appendChild(document.createElement("div")).className = "bar";
    }
    const bar = td.firstChild;
    Object.entries(cell).forEach(([name, share], n) => {
      const part = bar.children[n] || bar.appendChild(document.createElement("span"));
      part.className = name;
      part.style.width = `${Math.min(1, share) * 100}%`;
    });
  });
}

function table(id, rows) {
  const body = element(id);
  rows.forEach((cells, i) => fill(body.rows[i] || body.insertRow(), cells));
  while (body.rows.length > rows.length) body.deleteRow(-1);
}

function curve(rate) {
  rates.push(rate);
  if (rates.length > KEPT) rates.shift();
  const most = Math.max(1, ...rates);
  const step = 240 / (KEPT - 1);
  const from = 240 - (rates.length - 1) * step;
  element("curve").setAttribute("points",
    rates.map((value, i) => `${from + i * step},${58 - 56 * value / most}`).join(" "));
  set("most", whole(most));
}

function show(frame) {
  const longest = Math.max(...frame.hops.map((hop) => hop.mean_us || 0), 1e-9);
  const deepest = Math.max(...frame.queues.map((queue) => queue.depth), 10);
  set("lab", frame.lab);
  set("about", `Python ${frame.python}, ${frame.gil ? "with a GIL" : "free-threaded"}; ` +
    `${whole(frame.viewers)} looking`);
  for (const name of ["per_second", "in_flight", "connections", "traced_one_in"])
    set(name, whole(frame[name]));
  curve(frame.per_second);
  table("threads", frame.threads.map((one) => [one.name,
    { cpu: one.cpu || 0, gil_wait: one.gil_wait, held_up: one.held_up || 0 },
    percent(one.cpu), percent(one.gil_wait), percent(one.held_up), percent(one.idle)]));
  table("queues", frame.queues.map((queue) => [queue.name, { value: queue.depth / deepest },
    whole(queue.depth)]));
  table("hops", frame.hops.map((hop) => [`${hop.from} → ${hop.to}`,
    { value: (hop.mean_us || 0) / longest }, micros(hop.mean_us), micros(hop.p50_us),
    micros(hop.p99_us)]));
}

function status(text, lost) {
  set("connection", text);
  element("connection").className = lost ? "lost" : "";
}

let events = null;

function look() {
  events = new EventSource("/_lab/events");
  events.onopen = () => status("live", false);
  events.onerror = () => status(events.readyState === EventSource.CLOSED ?
    "the lab takes no viewer now; load the page again to try" :
    "the lab doesn't answer; trying again", true);
  events.onmessage = (event) => {
    show(JSON.parse(event.data));
    document.body.dataset.frames = Number(document.body.dataset.frames || 0) + 1;
  };
}

// A browser may keep a page that one has left, and its connection with it.
addEventListener("pagehide", () => events.close());
addEventListener("pageshow", (event) => { if (event.persisted) look(); });
look();
