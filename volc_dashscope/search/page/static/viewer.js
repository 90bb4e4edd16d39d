// One picture or video, large. Arrow keys turn, Escape closes, and the focus goes back to where it was.

import { element, original } from "./grid.js";

export class Viewer {
  constructor(dialog, words, blank, similar) {
    Object.assign(this, { dialog, words, blank, items: [], index: 0, back: () => {} });
    const on = (id, act) => dialog.querySelector(id).addEventListener("click", act);
    on("#close", () => dialog.close());
    on("#previous", () => this.#turn(-1));
    on("#next", () => this.#turn(1));
    on("#similar", () => {
      this.back = () => {};
      const { entry } = this.items[this.index];
      dialog.close();
      similar(entry);
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.tagName !== "VIDEO") this.#turn(step);
    });
    dialog.addEventListener("close", () => {
      dialog.querySelector("#frame").replaceChildren();
      this.back(this.index);
    });
  }

  open(items, index, back) {
    Object.assign(this, { items, index, back });
    this.#show();
    this.dialog.showModal();
    this.dialog.querySelector("#close").focus();
  }

  #turn(step) {
    if (!this.items[this.index + step]) return;
    this.index += step;
    this.#show();
  }

  #show() {
    const { entry, rank, score, vector_rank: before, vector_score: cosine } = this.items[this.index];
    const video = entry.kind === "video";
    const shown = document.createElement(video ? "video" : "img");
    if (video) Object.assign(shown, { controls: true, preload: "metadata" });
    else shown.alt = entry.name;
    shown.addEventListener("error", () => shown.replaceWith(this.blank(video)), { once: true });
    shown.src = original(entry);
    this.dialog.querySelector("#frame").replaceChildren(shown);
    this.dialog.querySelector("#viewer-name").textContent = entry.name;
    const told = score === undefined ? [] : [this.words("rank", { n: rank }), `${this.words("score")} ${score.toFixed(3)}`];
    if (before !== undefined) told.push(`${this.words("by_vector", { n: before })}, ${this.words("score")} ${cosine.toFixed(3)}`);
    this.dialog.querySelector("#viewer-score").replaceChildren(element("span", "", told.join(" · ")));
    this.dialog.querySelector("#original").href = original(entry);
    this.dialog.querySelector("#previous").disabled = !this.items[this.index - 1];
    this.dialog.querySelector("#next").disabled = !this.items[this.index + 1];
  }
}
