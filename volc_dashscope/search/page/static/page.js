// What is asked, what is shown, and the words around it.

import { Grid, element } from "./grid.js";
import { Plot } from "./map.js";
import { Viewer } from "./viewer.js";

const AT_ONCE = 60;
const find = (id) => document.getElementById(id);
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const wide = matchMedia("(min-width: 62rem)");

let dictionary = {};
const words = (name, values = {}) =>
  (dictionary[name] ?? name).replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");

let album = { entries: [] };
let picture = null; // a File
let view = null; // { heading, ask } or { heading, places }
let items = []; // what the grid may show: { entry, rank, score }
let running = null; // the search that is under way

const grid = new Grid(find("results"), words, (index) => viewer.open(items, index, (last) => grid.focus(last)));
const viewer = new Viewer(find("viewer"), words, (video) => grid.blank(video), (entry) => search({ like: entry }));
const plot = new Plot(find("points"), find("peek"), find("groups"), words, openPoint, showGroup);

async function start() {
  dictionary = (await fetched("/static/words.json"))[language];
  find("map").open = wide.matches;
  find("heading").textContent = words("loading");
  grid.bones(8);
  album = await fetched("/api/album");
  album.entries.forEach((entry, place) => { entry.place = place; });
  document.title = `${album.folder} · ${document.title}`;
  find("folder").textContent = album.folder;
  const left = album.left_out ? [words("left_out", { n: album.left_out })] : [];
  const facts = [words("files", { n: album.entries.length.toLocaleString() }), ...left, album.model];
  find("facts").textContent = facts.join(" · ");
  find("stand-in").hidden = !album.stand_in;
  find("text").maxLength = album.max_text;
  for (const kind of ["image", "video"]) {
    const has = album.entries.some((entry) => entry.kind === kind);
    document.querySelector(`input[value=${kind}]`).disabled = !has;
  }
  const shown = plot.draw(album.entries);
  if (shown < album.entries.length) find("sampled").textContent = words("sampled", { n: shown, all: album.entries.length });
  showAll();
}

async function fetched(url, options) {
  let reply;
  try {
    reply = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(words("unreachable"));
  }
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error);
  return found;
}

const kind = () => document.querySelector("input[name=kind]:checked").value;

function showAll() {
  browse(words("all_heading"), album.entries.map((entry) => entry.place));
}

function showGroup(number) {
  if (view?.group === number) return showAll();
  const places = album.entries.filter((entry) => entry.group === number).map((entry) => entry.place);
  browse(words("group_heading", { n: number + 1 }), places, number);
}

function browse(heading, places, group) {
  view = { heading, places, group };
  plot.press(group);
  const fitting = places.map((place) => album.entries[place]).filter((entry) => !kind() || entry.kind === kind());
  show(fitting.map((entry) => ({ entry })));
  plot.mark(group === undefined ? [] : places);
}

function show(found, ...said) {
  items = found;
  find("error").hidden = true;
  find("heading").textContent = view.heading;
  find("results").removeAttribute("aria-busy");
  grid.show(items.slice(0, AT_ONCE));
  find("more").hidden = items.length <= AT_ONCE;
  find("empty").hidden = items.length > 0;
  find("empty").replaceChildren(element("strong", "", words("nothing")), words("nothing_hint"));
  const counted = items.length === 1 ? words("count_one") : words("count", { n: items.length.toLocaleString() });
  find("status").textContent = [counted, ...said].join(" · ");
}

async function search(question) {
  running?.abort();
  const mine = (running = Object.assign(new AbortController(), { question }));
  const { text = "", file = null, like = null } = question;
  const query = new URLSearchParams({ text, kind: kind(), top: 500, like: like?.place ?? "" });
  const heading = like ? words("found_like", { name: like.name })
    : words(file ? (text ? "found_both" : "found_picture") : "found_text", { text });
  find("status").textContent = words("searching");
  find("error").hidden = true;
  find("empty").hidden = true;
  find("results").setAttribute("aria-busy", "true");
  if (!items.length) grid.bones(8);
  try {
    const found = await fetched(`/api/search?${query}`, { method: "POST", body: file, signal: mine.signal });
    const said = found.tokens ? [words("cost", { n: found.tokens.toLocaleString() })] : [];
    if (file && text && !found.fused) said.push(words("averaged"));
    view = { heading, ask: question };
    plot.press();
    show(found.results.map(({ place, rank, score }) => ({ entry: album.entries[place], rank, score })), ...said);
    plot.mark(found.results.map((one) => one.place));
  } catch (error) {
    if (error.name === "AbortError") return;
    // What was found before stays, under its own heading.
    if (items.length) find("results").removeAttribute("aria-busy");
    else show([]);
    find("status").textContent = "";
    fail(error.message, () => search(question));
  } finally {
    if (running === mine) running = null;
  }
}

function fail(message, again) {
  const notice = find("error");
  notice.replaceChildren(element("strong", "", words("failed")), element("span", "", message));
  if (again) {
    const button = element("button", "quiet", words("again"));
    button.type = "button";
    button.addEventListener("click", again);
    notice.append(button);
  }
  notice.hidden = false;
}

function openPoint(place) {
  const index = items.findIndex((item) => item.entry.place === place);
  const shown = index < 0 ? [{ entry: album.entries[place] }] : items;
  viewer.open(shown, Math.max(0, index), () => plot.focus(place));
}

async function take(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) return fail(words("not_a_picture", { name: file.name }));
  if (file.size > album.max_bytes) {
    return fail(words("too_large", { name: file.name, mb: Math.floor(album.max_bytes / 1e6) }));
  }
  picture = file;
  find("chip").hidden = false;
  find("chip-name").textContent = file.name;
  find("error").hidden = true;
  submit();
  await preview(file);
}

/** Draw a small square of the picture; one that the browser cannot read stays blank. */
async function preview(file) {
  const canvas = find("preview");
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return;
  const side = Math.min(bitmap.width, bitmap.height);
  pen.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
}

function submit() {
  const text = find("text").value.trim();
  if (!text && !picture) return fail(words("ask_first"));
  search({ text, file: picture });
}

function drop() {
  let depth = 0;
  const shown = (event, change) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    depth = Math.max(0, depth + change);
    find("drop").hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => shown(event, 1));
  addEventListener("dragleave", (event) => shown(event, -1));
  addEventListener("dragover", (event) => shown(event, 0));
  addEventListener("drop", (event) => {
    shown(event, -depth);
    take(event.dataTransfer?.files[0]);
  });
  addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])][0]));
}

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = "";
});
find("remove").addEventListener("click", () => {
  picture = null;
  find("chip").hidden = true;
  find("text").focus();
  if (find("text").value.trim()) submit();
  else showAll();
});
find("text").addEventListener("input", () => {
  if (!find("text").value && !picture) {
    running?.abort();
    showAll();
  }
});
find("kinds").addEventListener("change", () => {
  if (running) search(running.question);
  else if (view?.ask) search(view.ask);
  else if (view) browse(view.heading, view.places, view.group);
});
find("more").addEventListener("click", () => {
  const from = find("results").childElementCount;
  grid.show(items.slice(0, from + AT_ONCE), from);
  find("more").hidden = items.length <= from + AT_ONCE;
  grid.focus(from);
});
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, dialog");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    find("text").focus();
  }
});
wide.addEventListener("change", () => { find("map").open = wide.matches; });
drop();
start().catch((error) => fail(error.message, () => location.reload()));
