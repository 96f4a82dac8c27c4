// The desk of a plane: a place on it is where, and the picture keeps its what.

import { arrow, clamp, element, follow, group, Slider } from "./widgets.js";

const NUDGE = 0.02; // of the arrow keys, as a share of the plane's side, twice
const OTHERS = 3; // reach of the numbers that are not on the plane

export class ManifoldDesk {
  constructor(studio, about) {
    this.studio = studio;
    this.#build(about.desk);
  }

  /** A picture was opened: the place stays, and another picture is seen there. */
  opened(about) {
    this.desk = about.desk;
    this.#draw();
    return { where: this.desk.own };
  }

  /** What another picture is seen at: the place of the one before. */
  kept() {
    return this.where ? { where: this.where } : null;
  }

  show({ facts }) {
    this.where = facts.where;
    if (!this.held) this.#put(this.#onPlane(facts.where));
    for (const { made, number } of this.sliders) made.set(facts.where[number]);
    const [first, second] = this.desk.pair;
    this.note.textContent = `where ${first}: ${facts.where[first].toFixed(2)}, where ${second}: ${
      facts.where[second].toFixed(2)}`;
  }

  /** (x, y) in [0, 1] of a place, y down. */
  #onPlane(where) {
    const [across, up] = this.desk.spans;
    const share = (value, [low, high]) => (value - low) / (high - low);
    return [share(where[this.desk.pair[0]], across), 1 - share(where[this.desk.pair[1]], up)];
  }

  #placeOf([x, y]) {
    const [across, up] = this.desk.spans;
    const between = (share, [low, high]) => low + share * (high - low);
    const where = [...this.studio.history.state.where];
    where[this.desk.pair[0]] = between(clamp(x, 0, 1), across);
    where[this.desk.pair[1]] = between(1 - clamp(y, 0, 1), up);
    return { where };
  }

  #put([x, y]) {
    this.mark.style.left = `${100 * clamp(x, 0, 1)}%`;
    this.mark.style.top = `${100 * clamp(y, 0, 1)}%`;
  }

  #under(event) {
    const box = this.pad.getBoundingClientRect();
    return [clamp((event.clientX - box.left) / box.width, 0, 1),
      clamp((event.clientY - box.top) / box.height, 0, 1)];
  }

  #build(desk) {
    this.plane = element("img", { alt: "the plane, painted at its places", draggable: false });
    this.dots = element("canvas", { width: 640, height: 640, "aria-hidden": "true" });
    this.mark = element("button", { type: "button", className: "mark",
      "aria-label": "place on the plane: move it with the arrow keys" });
    this.pad = element("div", { id: "pad" }, this.plane, this.dots, this.mark);
    this.note = element("p", { className: "small" });
    const toggle = element("label", { className: "small check" }, element("input", {
      type: "checkbox", checked: true,
      onchange: ({ target }) => { this.dots.hidden = !target.checked; },
    }), " places that are likely for this picture");
    const moved = (event) => {
      this.held = this.#under(event);
      this.#put(this.held);
      this.studio.live(this.#placeOf(this.held));
    };
    follow(this.pad, {
      start: (event) => { moved(event); this.mark.focus({ preventScroll: true }); return true; },
      move: moved,
      end: () => {
        const at = this.held;
        this.held = null;
        this.studio.commit(this.#placeOf(at));
      },
    });
    this.mark.addEventListener("keydown", (event) => {
      const step = arrow(event, NUDGE);
      if (!step) return;
      event.preventDefault();
      this.studio.commit(this.#placeOf(this.#onPlane(this.studio.history.state.where).map(
        (at, axis) => at + step[axis])));
    });
    this.sliders = desk.own.map((_, number) => number).filter((number) =>
      !desk.pair.includes(number)).map((number) => ({ number, made: this.#slider(number) }));
    this.studio.controls.replaceChildren(
      group("Where, what stays", this.pad, this.note, toggle,
        ...this.sliders.map(({ made }) => made.root)),
      element("p", { className: "hint", textContent:
        "Move over the plane, or use the arrow keys. Open another picture: the place stays, and "
        + "another is seen there." }));
  }

  #slider(number) {
    const changed = (value) => ({ where: this.studio.history.state.where.with(number, value) });
    return new Slider({
      label: `where ${number}`, low: -OTHERS, high: OTHERS,
      live: (value) => this.studio.live(changed(value)),
      settle: (value) => this.studio.commit(changed(value)),
    });
  }

  #draw() {
    this.plane.src = this.desk.plane;
    const pen = this.dots.getContext("2d");
    const { width, height } = this.dots;
    pen.clearRect(0, 0, width, height);
    const [across, up] = this.desk.spans;
    for (const [first, second] of this.desk.drawn) {
      const x = (first - across[0]) / (across[1] - across[0]) * width;
      const y = (1 - (second - up[0]) / (up[1] - up[0])) * height;
      pen.beginPath();
      pen.arc(x, y, 4, 0, 2 * Math.PI);
      pen.fillStyle = "rgb(0 96 160 / .75)";
      pen.fill();
      pen.lineWidth = 1.5;
      pen.strokeStyle = "#fff";
      pen.stroke();
    }
  }
}
