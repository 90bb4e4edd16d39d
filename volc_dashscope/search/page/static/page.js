// What is asked, what is shown, and the words around it.

import { Grid, caption, element } from "./grid.js";
import { Plot } from "./map.js";
import { Viewer } from "./viewer.js";

const AT_ONCE = 60;
const find = (id) => document.getElementById(id);
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const wide = matchMedia("(min-width: 62rem)");

let dictionary = {};
const words = (name, values = {}) => {
  const one = [values.n, values.count].some((number) => String(number) === "1");
  const text = (one && dictionary[`${name}_one`]) || dictionary[name] || name;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
};

let album = { entries: [] };
let picture = null; // a File
let view = null; // { heading, ask } or { heading, places }
let items = []; // what the grid may show: { entry, rank, score }, and { vector_rank, vector_score } where reranked
const asked = new Map(); // questions of this window by their number in the history: pictures are in no URL
let running = null; // the search that is under way
let ready = false; // whether the folder is open
let early = false; // whether something was asked before
let opened = "opened" in document.documentElement.dataset; // whether another site opened the page

const grid = new Grid(find("results"), words, (index) => viewer.open(items, index, (last) => grid.focus(last)));
const viewer = new Viewer(find("viewer"), words, (video) => grid.blank(video), likeThis);
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
  caption(album.entries, album.folder);
  listLeftOut();
  const facts = [words("files", { n: album.entries.length.toLocaleString() }), album.model];
  if (album.rerank) facts.push(album.rerank);
  find("facts").textContent = facts.join(" · ");
  find("stand-in").hidden = !album.stand_in;
  find("text").maxLength = album.max_text;
  for (const kind of ["image", "video"]) {
    const has = album.entries.some((entry) => entry.kind === kind);
    document.querySelector(`input[value=${kind}]`).disabled = !has;
  }
  const shown = plot.draw(album.entries, album.groups);
  if (shown < album.entries.length) find("sampled").textContent = words("sampled", { n: shown, all: album.entries.length });
  ready = true;
  const typed = find("text").value;
  if (picture) take(picture);
  else if (early && typed.trim()) submit();
  else {
    restore();
    if (typed) find("text").value = typed;
  }
  if (matchMedia("(pointer: fine)").matches) find("text").focus({ preventScroll: true });
}

function listLeftOut() {
  const files = Object.entries(album.left_out);
  find("left-out").hidden = !files.length;
  find("left-out").textContent = words("left_out", { n: files.length.toLocaleString() });
  find("left-out-files").replaceChildren(
    ...files.flatMap(([name, reason]) => [element("dt", "", name), element("dd", "", reason)]),
  );
}

/** Keep the question in the URL, so that it can be reloaded, shared and gone back to. */
function remember(parts, question) {
  const query = new URLSearchParams();
  const lang = new URLSearchParams(location.search).get("lang");
  for (const [name, value] of Object.entries({ ...parts, kind: kind(), lang })) if (value) query.set(name, value);
  const url = query.size ? `/?${query}` : "/";
  const same = url === location.pathname + location.search && !question?.file;
  const number = same ? (history.state ?? 0) : (history.state ?? 0) + 1;
  asked.set(number, question);
  if (same) history.replaceState(number, "", url);
  else history.pushState(number, "", url);
}

/** Show what the URL says. */
function restore() {
  if (!ready) return;
  const query = new URLSearchParams(location.search);
  const text = (query.get("text") ?? "").slice(0, album.max_text);
  const like = album.entries.find((entry) => entry.name === query.get("like")) ?? null;
  const group = album.groups.indexOf(query.get("group"));
  const box = find("kinds").querySelector(`input[value="${CSS.escape(query.get("kind") ?? "")}"]`);
  (box && !box.disabled ? box : find("kinds").querySelector("input")).checked = true;
  running?.abort();
  find("text").value = text;
  hold(asked.get(history.state)?.file ?? null);
  const question = { text, file: picture, like };
  if (opened && (text || like)) {
    // It is billed, and the reader may not want it.
    showAll(false);
    fail(words("not_searched"), () => search(question, false), words("go"));
  } else if (text || picture || like) search(question, false);
  else if (group >= 0) showGroup(group, false);
  else showAll(false);
  opened = false;
}

/** Keep a picture as part of the question, or none. */
function hold(file) {
  picture = file;
  find("chip").hidden = !file;
  find("chip-name").textContent = file?.name ?? "";
  if (file) preview(file);
}

async function fetched(url, options) {
  let reply, found;
  try {
    reply = await fetch(url, options);
    found = await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(words("unreachable"));
  }
  if (!reply.ok) throw Object.assign(new Error(found.reason ? words(found.reason, { name: options?.body?.name }) : found.error), { status: reply.status });
  return found;
}

const kind = () => document.querySelector("input[name=kind]:checked").value;

function showAll(keep = true) {
  if (!ready) return;
  if (keep) remember({});
  browse(words("all_heading"), album.entries.map((entry) => entry.place));
}

function showGroup(number, keep = true) {
  if (keep && view?.group === number) return showAll();
  if (keep) remember({ group: album.groups[number] });
  const places = album.entries.filter((entry) => entry.group === number).map((entry) => entry.place);
  browse(words("group_heading", { name: album.groups[number] }), places, number);
  if (keep) find("heading").scrollIntoView({ block: "nearest" });
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
  const counted = words("count", { n: items.length.toLocaleString() });
  find("status").textContent = [counted, ...said].join(" · ");
}

async function search(question, keep = true) {
  running?.abort();
  if (keep) remember({ text: question.text, like: question.like?.name }, question);
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
    if (found.shortened) said.push(words("shortened", { n: album.max_text }));
    if (file && text && !found.fused) said.push(words("averaged"));
    if (found.reranked) said.push(words("reranked", { n: found.reranked, model: album.rerank }));
    if (found.not_reranked) said.push(words(found.not_reranked));
    view = { heading, ask: question };
    plot.press();
    show(found.results.map(({ place, ...told }) => ({ entry: album.entries[place], ...told })), ...said);
    plot.mark(found.results.map((one) => one.place));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (file && [400, 413].includes(error.status)) return refuse(error.message);
    // What was found before stays, under its own heading.
    if (items.length) find("results").removeAttribute("aria-busy");
    else {
      view ??= { heading, ask: question };
      show([]);
      find("empty").hidden = true;
    }
    find("status").textContent = "";
    fail(error.message, () => search(question));
  } finally {
    if (running === mine) running = null;
  }
}

/** Say why a picture cannot be searched with; what an older question found would look like its answer. */
function refuse(message) {
  hold(null);
  view = { heading: words("refused_heading"), places: [] };
  plot.press();
  plot.mark([]);
  show([]);
  find("empty").hidden = true;
  find("status").textContent = "";
  fail(message);
}

function fail(message, again, label) {
  const notice = find("error");
  const text = element("span", "", message);
  notice.replaceChildren(...(label ? [text] : [element("strong", "", words("failed")), text]));
  if (again) {
    const button = element("button", "quiet", label ?? words("again"));
    button.type = "button";
    button.addEventListener("click", again);
    notice.append(button);
  }
  notice.hidden = false;
}

/** The best results are at the top, not where the picture was. */
function likeThis(entry) {
  search({ like: entry });
  find("heading").focus();
}

function openPoint(place) {
  const index = items.findIndex((item) => item.entry.place === place);
  const shown = index < 0 ? [{ entry: album.entries[place] }] : items;
  viewer.open(shown, Math.max(0, index), () => plot.focus(place));
}

function take(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) return refuse(words("not_a_picture", { name: file.name }));
  if (file.size > album.max_bytes) {
    return refuse(words("too_large", { name: file.name, mb: Math.floor(album.max_bytes / 1e6) }));
  }
  hold(file);
  find("error").hidden = true;
  submit();
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
  const text = find("text").value.trim().slice(0, album.max_text);
  if (!text && !picture) return fail(words("ask_first"));
  if (!ready) {
    early = true;
    return;
  }
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
  hold(null);
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
  else if (view) {
    remember(view.group === undefined ? {} : { group: album.groups[view.group] });
    browse(view.heading, view.places, view.group);
  }
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
find("left-out").addEventListener("click", () => find("left-out-list").showModal());
find("left-out-close").addEventListener("click", () => find("left-out-list").close());
document.querySelector(".language").addEventListener("click", (event) => {
  const query = new URLSearchParams(location.search);
  query.set("lang", new URL(event.currentTarget.href).searchParams.get("lang"));
  event.currentTarget.href = `/?${query}`;
});
addEventListener("popstate", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  restore();
});
wide.addEventListener("change", () => { find("map").open = wide.matches; });
drop();
start().catch((error) => fail(error.message, () => location.reload()));
