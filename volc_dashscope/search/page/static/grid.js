// Cards of results. One of them is in the tab order; arrow keys move among them.

export const thumbnail = (entry) => `/thumb/${entry.place}?v=${entry.v}`;
export const original = (entry) => `/file/${entry.place}?v=${entry.v}`;
const plain = (entry) => entry.name.split("/").pop().replace(/\.[^.]+$/, "").replaceAll("_", " ");
export const title = (entry) => entry.caption ?? plain(entry);

/** Give files of equal names captions that tell them apart: by folder, else by the whole path. */
export function caption(entries, root) {
  const folder = (entry) => entry.name.split("/").slice(0, -1).join("/") || root;
  const count = (names) => {
    const counts = new Map();
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  };
  const titles = count(entries.map(plain));
  const placed = (entry) => `${plain(entry)} · ${folder(entry)}`;
  const places = count(entries.map(placed));
  for (const entry of entries) {
    if (titles.get(plain(entry)) === 1) continue;
    entry.caption = places.get(placed(entry)) === 1 ? placed(entry) : entry.name;
  }
}

/** How far a reranker has moved a picture. */
const moved = (rank, before) => (rank === before ? "" : rank < before ? ` ↑${before - rank}` : ` ↓${rank - before}`);

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export class Grid {
  constructor(list, words, open) {
    this.list = list;
    this.words = words;
    this.open = open;
    list.addEventListener("keydown", (event) => this.#move(event));
    list.addEventListener("focusin", (event) => this.#rove(event.target));
    list.addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (card) this.open(Number(card.dataset.index));
    });
  }

  /** Show entries; `from` is the first new one, so that more can be added below. */
  show(items, from = 0) {
    const cards = items.slice(from).map((item, number) => this.#card(item, from + number));
    if (from) this.list.append(...cards);
    else this.list.replaceChildren(...cards);
  }

  bones(number) {
    const bone = () => {
      const card = element("li", "bone", element("span", "thumb"), element("span", "name"));
      card.setAttribute("aria-hidden", "true");
      return card;
    };
    this.list.replaceChildren(...Array.from({ length: number }, bone));
  }

  focus(index) {
    this.#cards()[index]?.focus();
  }

  #cards() {
    return [...this.list.querySelectorAll(".card")];
  }

  #card(item, index) {
    const { entry, rank, score, vector_rank: before } = item;
    const card = element("button", "card", this.#thumb(entry), element("span", "name", title(entry)));
    card.type = "button";
    card.title = entry.name;
    card.dataset.index = index;
    card.tabIndex = index ? -1 : 0;
    let label = title(entry);
    if (score !== undefined) {
      const fill = element("i");
      fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
      card.append(element("span", "score", element("span", "bar", fill), score.toFixed(3)));
      label += `, ${this.words("rank", { n: rank })}, ${this.words("score")} ${score.toFixed(3)}`;
      if (before !== undefined) {
        card.append(element("span", "before", element("b", "", `#${rank}`), ` ${this.words("by_vector", { n: before })}${moved(rank, before)}`));
        label += `, ${this.words("by_vector", { n: before })}`;
      }
    }
    card.setAttribute("aria-label", label);
    return element("li", "", card);
  }

  #thumb(entry) {
    const box = element("span", "thumb");
    const video = entry.kind === "video";
    const shown = document.createElement(video ? "video" : "img");
    if (video) Object.assign(shown, { muted: true, preload: "metadata", src: `${original(entry)}#t=0.1`, tabIndex: -1 });
    else Object.assign(shown, { alt: "", loading: "lazy", decoding: "async", src: thumbnail(entry) });
    shown.addEventListener("error", () => shown.replaceWith(this.blank(video)), { once: true });
    box.append(shown);
    if (video) box.append(element("span", "film", "▶"));
    return box;
  }

  blank(video) {
    return element("span", "blank", element("b", "", video ? "▶" : "▢"), this.words("no_picture"));
  }

  #rove(target) {
    const card = target.closest?.(".card");
    if (!card) return;
    for (const other of this.#cards()) other.tabIndex = other === card ? 0 : -1;
  }

  #move(event) {
    const cards = this.#cards();
    const here = cards.indexOf(document.activeElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const top = cards[0].getBoundingClientRect().top;
    const columns = cards.findIndex((card) => card.getBoundingClientRect().top > top + 4);
    const step = columns < 0 ? cards.length : columns;
    const moves = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: here + step, ArrowUp: here - step, Home: 0, End: cards.length - 1 };
    const there = cards[moves[event.key]];
    if (!there) return;
    event.preventDefault();
    there.focus();
    there.scrollIntoView({ block: "nearest" });
  }
}
