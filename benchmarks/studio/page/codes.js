// The desk of two codes: geometry and appearance of one picture mixed with another's, single
// numbers of both, the canonical picture, and the field as a grid.

import { averaged, gridLines } from "./grid.js";
import { draw } from "./stage.js";
import { button, element, group, Slider } from "./widgets.js";

const SHOWN = 8; // numbers of a code that are shown at first
const SVG = "http://www.w3.org/2000/svg";
const WORDS = { where: "Geometry (where)", what: "Appearance (what)" };
const MIXES = { where: "geometry", what: "appearance" };

export class CodesDesk {
  constructor(studio, about) {
    this.studio = studio;
    this.layer = studio.stage.layer;
    this.grid = document.createElementNS(SVG, "svg");
    this.grid.setAttribute("viewBox", "-1 -1 2 2");
    this.grid.setAttribute("class", "grid");
    this.lines = ["under", "over"].map((name) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", name);
      this.grid.append(path);
      return path;
    });
    this.layer.append(this.grid);
    this.large = false;
    this.#build(about.desk);
  }

  /** A picture was opened: its first state. */
  opened(about, slot) {
    const both = Boolean(about.pictures.other);
    this.mixed.hidden = !both;
    for (const { made, reach } of this.sliders) reach(made, about.desk.reach);
    if (both && (slot === "other" || slot === "main" || slot === "all")) this.#paintSwaps();
    return { geometry: 0, appearance: 0, where: {}, what: {} };
  }

  show({ pictures, facts }) {
    draw(this.canonical, pictures[1]);
    this.looked = facts.looked;
    this.#drawGrid();
    const { state } = this.studio.history;
    for (const part of ["where", "what"]) this.mixes[part].set(this.studio.shown[MIXES[part]]);
    for (const { made, part, dimension } of this.sliders) made.set(facts[part][dimension]);
    for (const part of ["where", "what"]) {
      const count = Object.keys(state[part]).length;
      this.own[part].disabled = count === 0;
    }
    this.note.textContent = `The field moves pixels by ${(100 * facts.displacement).toFixed(1)} % `
      + "of the picture's side on average.";
  }

  #drawGrid() {
    const path = gridLines(this.large ? averaged(this.looked) : this.looked);
    for (const line of this.lines) line.setAttribute("d", path);
  }

  with(changes) {
    return { ...this.studio.history.state, ...changes };
  }

  set(part, dimension, value) {
    const numbers = { ...this.studio.history.state[part], [dimension]: value };
    return this.with({ [part]: numbers });
  }

  #build(desk) {
    this.sliders = [];
    this.mixes = {};
    this.own = {};
    const small = (label) => {
      const canvas = element("canvas", { className: "small-picture", role: "img" });
      canvas.setAttribute("aria-label", label);
      return canvas;
    };
    this.canonical = small("the canonical picture");
    this.swaps = { geometry: small("its looks, the other's geometry"),
      appearance: small("its geometry, the other's looks") };
    for (const part of ["where", "what"]) {
      const name = MIXES[part];
      this.mixes[part] = new Slider({
        label: name, low: 0, high: 1,
        words: (value) => `${Math.round(100 * value)} %`,
        live: (value) => this.studio.live(this.with({ [name]: value })),
        settle: (value) => this.studio.commit(this.with({ [name]: value })),
      });
    }
    const swap = (name) => element("figure", {}, this.swaps[name], element("figcaption", {},
      button(`Swap ${name}`, () => {
        const now = this.studio.history.state[name];
        this.studio.commit(this.with({ [name]: now < 0.5 ? 1 : 0 }));
      })));
    this.mixed = group("Taken from the second picture", element("div", { className: "swaps" }, swap("geometry"),
      swap("appearance")), this.mixes.where.root, this.mixes.what.root);
    this.note = element("p", { className: "small" });
    const shown = button("Grid", (event) => {
      const hidden = this.grid.classList.toggle("hidden");
      event.target.setAttribute("aria-pressed", String(!hidden));
    }, { "aria-pressed": "true" });
    const large = button("Averaged", (event) => {
      this.large = !this.large;
      event.target.setAttribute("aria-pressed", String(this.large));
      this.#drawGrid();
    }, { "aria-pressed": "false", title: "over neighbouring pixels: what it does in the large" });
    const codes = ["where", "what"].filter((part) => desk.order[part]).map((part) =>
      this.#code(part, desk.order[part], desk.reach));
    for (const part of ["where", "what"]) this.own[part] ??= button("", () => {});
    this.studio.controls.replaceChildren(
      element("div", { className: "canonical" },
        element("figure", {}, this.canonical,
          element("figcaption", { textContent: "canonical picture" })),
        element("div", {}, this.note, element("p", { className: "small", textContent:
          "The grid is straight on the canonical picture; here it lies as the field bends it." }),
        element("div", { className: "buttons" }, shown, large))),
      this.mixed, ...codes);
  }

  #code(part, order, reach) {
    const all = order.map((dimension) => this.#number(part, dimension, reach));
    this.own[part] = button("Own numbers", () => this.studio.commit(this.with({ [part]: {} })));
    const more = all.length <= SHOWN ? [] : [element("details", {},
      element("summary", { textContent: `${all.length - SHOWN} more, which change less` }),
      ...all.slice(SHOWN))];
    return group(WORDS[part], ...all.slice(0, SHOWN), ...more,
      element("div", { className: "buttons" }, this.own[part]));
  }

  #number(part, dimension, reach) {
    const made = new Slider({
      label: `number ${dimension}`, low: -reach, high: reach,
      live: (value) => this.studio.live(this.set(part, dimension, value)),
      settle: (value) => this.studio.commit(this.set(part, dimension, value)),
    });
    const widen = (slider, most) => {
      [slider.input.min, slider.input.max, slider.input.step] = [-most, most, most / 200];
    };
    this.sliders.push({ made, part, dimension, reach: widen });
    return made.root;
  }

  async #paintSwaps() {
    const own = { geometry: 0, appearance: 0, where: {}, what: {} };
    for (const name of Object.keys(this.swaps)) {
      const frame = await this.studio.link.decode({ ...own, [name]: 1 }, { keep: true });
      if (frame) draw(this.swaps[name], frame.pictures[0]);
    }
  }
}
