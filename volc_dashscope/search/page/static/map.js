// The collection as points: near ones are alike, groups have a colour.

import { element, thumbnail, title } from "./grid.js";

const MOST = 2000;
const SVG = "http://www.w3.org/2000/svg";
const at = (part) => 4 + part * 92;

/** Push points apart that lie on each other, so that each can be pressed; many are small and stay. */
function apart(points, least) {
  for (let round = 0; round < 60 && points.length <= 400; round += 1) {
    let moved = false;
    for (let one = 0; one < points.length; one += 1) {
      for (let two = one + 1; two < points.length; two += 1) {
        let [dx, dy] = [points[two][0] - points[one][0], points[two][1] - points[one][1]];
        if (dx === 0 && dy === 0) [dx, dy] = [0.01 * Math.cos(two), 0.01 * Math.sin(two)];
        const far = Math.hypot(dx, dy);
        if (far >= least) continue;
        moved = true;
        const push = (least - far) / far / 2;
        points[one] = inside(points[one][0] - dx * push, points[one][1] - dy * push);
        points[two] = inside(points[two][0] + dx * push, points[two][1] + dy * push);
      }
    }
    if (!moved) break;
  }
  return points;
}

const inside = (x, y) => [Math.min(97, Math.max(3, x)), Math.min(97, Math.max(3, y))];

export class Plot {
  constructor(svg, peek, legend, words, open, group) {
    Object.assign(this, { svg, peek, legend, words, open, group, dots: new Map() });
    // Not on the drawing itself: browsers give a tab stop to one that listens to the focus.
    const stage = svg.parentElement;
    stage.addEventListener("click", (event) => this.#chosen(event.target));
    stage.addEventListener("keydown", (event) => this.#key(event));
    for (const kind of ["pointerover", "focusin"]) stage.addEventListener(kind, (event) => this.#look(event.target));
    for (const kind of ["pointerout", "focusout"]) stage.addEventListener(kind, () => { peek.hidden = true; });
  }

  draw(entries, names) {
    this.names = names;
    const every = Math.max(1, Math.ceil(entries.length / MOST));
    this.shown = entries.filter((_, place) => place % every === 0);
    this.radius = Math.max(0.9, Math.min(2.6, 14 / Math.sqrt(this.shown.length)));
    const places = apart(this.shown.map((entry) => [at(entry.x), at(1 - entry.y)]), 2.15 * this.radius);
    for (const [number, entry] of this.shown.entries()) {
      const dot = document.createElementNS(SVG, "circle");
      const [cx, cy] = places[number];
      const facts = { cx, cy, r: this.radius, class: `d${entry.group}`, role: "button", tabindex: -1, "aria-label": title(entry), "data-place": entry.place };
      for (const [name, value] of Object.entries(facts)) dot.setAttribute(name, value);
      this.dots.set(entry.place, dot);
    }
    this.svg.replaceChildren(...this.dots.values());
    this.svg.firstElementChild?.setAttribute("tabindex", 0);
    this.#groups(entries);
    return this.shown.length;
  }

  /** Let some points stand out, the best most of all. */
  mark(places) {
    this.svg.classList.toggle("asked", places.length > 0);
    const best = new Map(places.slice(0, 12).map((place, rank) => [place, rank]));
    for (const [place, dot] of this.dots) {
      dot.classList.toggle("hit", best.has(place));
      dot.setAttribute("r", best.has(place) ? this.radius * (best.get(place) === 0 ? 1.9 : 1.35) : this.radius);
    }
    // Later ones are drawn above earlier ones.
    for (const place of [...best.keys()].reverse()) if (this.dots.has(place)) this.svg.append(this.dots.get(place));
  }

  press(number) {
    for (const button of this.legend.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.group) === number));
    }
  }

  focus(place) {
    this.dots.get(place)?.focus();
  }

  #groups(entries) {
    const sizes = [];
    for (const entry of entries) sizes[entry.group] = (sizes[entry.group] ?? 0) + 1;
    this.legend.replaceChildren(...sizes.map((count, number) => {
      const button = element("button", `d${number}`, element("i"), element("span", "", element("bdi", "", this.names[number]), ` ${count}`));
      button.type = "button";
      button.dataset.group = number;
      button.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-label", this.words("group", { name: this.names[number], count }));
      button.addEventListener("click", () => this.group(number));
      return element("li", "", button);
    }));
  }

  #chosen(dot) {
    if (dot.dataset?.place !== undefined) this.open(Number(dot.dataset.place));
  }

  #look(dot) {
    if (dot.dataset?.place === undefined) return;
    const entry = this.shown.find((one) => one.place === Number(dot.dataset.place));
    const [image, name] = this.peek.children;
    image.hidden = entry.kind === "video";
    if (entry.kind !== "video") image.src = thumbnail(entry);
    name.textContent = title(entry);
    const [x, y] = [Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))];
    this.peek.style.left = `clamp(0px, ${x}% - 4.25rem, 100% - 8.5rem)`;
    this.peek.style.top = y > 50 ? "auto" : `calc(${y}% + 0.9rem)`;
    this.peek.style.bottom = y > 50 ? `calc(${100 - y}% + 0.9rem)` : "auto";
    this.peek.hidden = false;
  }

  #key(event) {
    const dot = document.activeElement;
    if (dot?.parentNode !== this.svg) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#chosen(dot);
      return;
    }
    const toward = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!toward) return;
    event.preventDefault();
    const next = this.#nearest(dot, toward);
    if (!next) return;
    dot.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  }

  #nearest(dot, [right, down]) {
    const place = (one) => [Number(one.getAttribute("cx")), Number(one.getAttribute("cy"))];
    const [x, y] = place(dot);
    let [best, least] = [null, Infinity];
    for (const other of this.dots.values()) {
      const [dx, dy] = [place(other)[0] - x, place(other)[1] - y];
      const along = dx * right + dy * down;
      const aside = Math.abs(dx * down) + Math.abs(dy * right);
      const far = along + 2 * aside;
      if (other !== dot && along > 0.05 && far < least) [best, least] = [other, far];
    }
    return best;
  }
}
