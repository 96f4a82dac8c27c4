// The desk of particles: handles on the picture, and sliders for the one that is chosen. The state
// is a list of edits, as `whatwhere edit` reads them.

import { appended, unhidden } from "./edits.js";
import { Handles } from "./handles.js";
import { button, element, group, refuse, Slider } from "./widgets.js";

const BESIDE = 0.15; // how far a copy is put from what it is a copy of
const BEYOND = 1.5; // how far sliders move a particle
const BACKGROUND = "background";

export class ParticleDesk {
  constructor(studio, about) {
    this.studio = studio;
    this.about = about.desk;
    this.chosen = undefined; // nobody has chosen yet: the most certain one
    this.clipboard = null;
    this.facts = null;
    this.settled = null; // facts of the last state in the history
    this.handles = new Handles(this, studio.stage);
    this.#build();
  }

  /** A picture was opened: its first state. */
  opened(about, slot) {
    this.about = about.desk;
    this.second = Boolean(about.pictures.other);
    this.way.root.hidden = !this.second;
    if (slot === "main") this.chosen = undefined;
    this.#buildChosen();
    return [];
  }

  show({ facts, state }) {
    this.facts = facts;
    if (state === this.studio.history.state) this.settled = facts;
    this.#drawn();
    if (this.chosen === undefined) this.choose(facts.certainty.indexOf(Math.max(...facts.certainty)));
  }

  get edits() {
    return this.studio.history.state;
  }

  paints(field) {
    return this.about.painted_by.includes(field);
  }

  live(edit) {
    return this.studio.live(appended(this.edits, edit));
  }

  settle(edit) {
    return this.studio.commit(appended(this.edits, edit));
  }

  choose(which) {
    if (this.chosen === which) return;
    this.chosen = which;
    this.#buildChosen();
    this.#drawn();
  }

  #drawn() {
    this.handles.show(this.facts, this.chosen);
    this.#chip();
    this.#fill();
  }

  // What the buttons do.

  hide() {
    const particle = this.chosen;
    if (this.buttons.hide.disabled) return;
    const gone = this.facts.presence[particle] === 0;
    const shown = unhidden(this.edits, particle);
    if (!gone) this.settle({ edit: "remove", particle });
    else if (shown) this.studio.commit(shown);
    else this.settle({ edit: "presence", particle, value: 1 });
  }

  async duplicate() {
    const particle = this.chosen;
    const inside = this.facts.position[particle][0] < 0.7 ? BESIDE : -BESIDE;
    const number = this.facts.position.length;
    await this.settle({ edit: "copy", particle, dx: inside, dy: 0 });
    if (number < this.facts.position.length) this.choose(number);
  }

  copyLooks() {
    this.clipboard = this.chosen;
    this.#fill();
  }

  pasteLooks() {
    if (this.clipboard === null || this.clipboard === this.chosen) return;
    this.settle({ edit: "paste", particle: this.chosen, source: this.clipboard });
  }

  pasteTwin() {
    const { chosen } = this;
    this.settle({ edit: "paste", particle: chosen, source: chosen, picture: "other" });
  }

  // Controls.

  #build() {
    const toggle = (words, name) => button(words, ({ target }) => {
      target.setAttribute("aria-pressed", String(this.handles.toggle(name)));
    }, { "aria-pressed": "true" });
    this.chips = element("div", { className: "buttons", id: "chips", role: "group",
      "aria-label": "choose a particle" });
    this.way = new Slider({
      label: "to the second picture", low: 0, high: 1,
      live: (share) => this.live({ edit: "interpolate", share }),
      settle: (share) => this.settle({ edit: "interpolate", share }),
    });
    this.box = element("div");
    this.studio.controls.replaceChildren(
      element("p", { className: "hint", textContent:
        "Drag a handle, or choose one and use the arrow keys: the picture follows. The larger a "
        + "handle, the more certain its particle." }),
      element("div", { className: "buttons" }, toggle("Handles", "handles"),
        toggle("Numbers", "numbers")),
      this.way.root, group("Particles", this.chips), this.box);
    this.#buildChosen();
  }

  /** A button for every particle: some lie below others. */
  #chip() {
    const names = [...this.facts.position.keys()];
    if (this.paints("background")) names.push(BACKGROUND);
    if (this.chips.childElementCount !== names.length) {
      this.chips.replaceChildren(...names.map((name) => button(String(name), () =>
        this.choose(name))));
    }
    names.forEach((name, place) => {
      const chip = this.chips.children[place];
      chip.setAttribute("aria-pressed", String(name === this.chosen));
      chip.classList.toggle("gone", this.facts.presence[name] === 0);
    });
  }

  #buildChosen() {
    this.sliders = [];
    this.buttons = null;
    const which = this.chosen;
    if (which === null || which === undefined) {
      this.box.replaceChildren();
      return;
    }
    this.buttons = {
      ...(which === BACKGROUND ? {} : {
        hide: button("Hide", () => this.hide()),
        copy: button("Duplicate", () => this.duplicate()),
      }),
      looks: button("Copy looks", () => this.copyLooks(), { "data-title": "Ctrl+C" }),
      paste: button("Paste looks", () => this.pasteLooks(), { "data-title": "Ctrl+V" }),
    };
    // Only where a number means the same part of every picture, or for what there is but one of.
    const twin = this.second && (which === BACKGROUND || this.about.numbered);
    if (twin) this.buttons.twin = button("Looks of the second", () => this.pasteTwin());
    this.note = element("p", { className: "small" });
    const name = which === BACKGROUND ? "Background" : `Particle ${which}`;
    const parts = which === BACKGROUND ? [] : [group("Where", ...this.#where(which))];
    this.box.replaceChildren(element("h2", { textContent: name }), this.note,
      element("div", { className: "buttons" }, ...Object.values(this.buttons)),
      ...parts, group("What", ...this.#what(which)));
  }

  #where(particle) {
    const place = (axis, label) => this.#slider({
      label, low: -BEYOND, high: BEYOND,
      read: (facts) => facts.position[particle][axis],
      edit: (value) => {
        const [x, y] = this.settled.position[particle].with(axis, value);
        return { edit: "place", particle, x, y };
      },
    });
    const made = [place(0, "x, to the right"), place(1, "y, down")];
    if (this.paints("size")) {
      made.push(this.#slider({
        label: "size", low: 0.02, high: 2, log: true,
        words: (value) => `${Math.round(50 * value)} %`,
        read: (facts) => Math.max(...facts.size[particle]),
        edit: (value) => ({
          edit: "scale", particle, factor: value / Math.max(...this.settled.size[particle]),
        }),
      }));
    }
    if (this.paints("presence")) {
      made.push(this.#slider({
        label: "presence", low: 0, high: 1,
        read: (facts) => facts.presence[particle],
        edit: (value) => ({ edit: "presence", particle, value }),
      }));
    }
    if (this.paints("depth") && this.about.ranges.depth) {
      const [low, high] = this.about.ranges.depth[0];
      made.push(this.#slider({
        label: "depth", low, high, read: (facts) => facts.depth[particle],
        edit: (value) => ({ edit: "depth", particle, value }),
      }));
    }
    return made;
  }

  #what(particle) {
    return this.about.ranges.feature.map(([low, high], dimension) => this.#slider({
      label: `feature ${dimension}`, low, high,
      read: (facts) => (particle === BACKGROUND ? facts.background : facts.feature[particle])[dimension],
      edit: (value) => ({ edit: "recolour", particle, dimension, value }),
    }));
  }

  #slider({ read, edit, ...options }) {
    const made = new Slider({
      ...options,
      live: (value) => this.live(edit(value)),
      settle: (value) => this.settle(edit(value)),
    });
    this.sliders.push({ made, read });
    return made.root;
  }

  #fill() {
    const last = this.edits.at(-1);
    this.way.set(last?.edit === "interpolate" ? last.share : 0);
    if (!this.buttons || !this.facts) return;
    const which = this.chosen;
    if (which !== BACKGROUND && which >= this.facts.position.length) return this.choose(null);
    for (const { made, read } of this.sliders) made.set(read(this.facts));
    const { remove, copy } = this.about.refused;
    if (which !== BACKGROUND) {
      const gone = this.facts.presence[which] === 0;
      this.buttons.hide.textContent = gone ? "Show" : "Hide";
      refuse(this.buttons.hide, gone ? "" : remove);
      refuse(this.buttons.copy, copy);
      this.note.textContent = `Its place is known to a deviation of ${
        (50 * this.facts.deviation[which]).toPrecision(2)} % of the picture's side.`
        + (remove ? " This model paints just as many particles as it found: none can be hidden "
          + "or added." : "");
    }
    const none = this.clipboard === null ? "copy the looks of a particle first"
      : this.clipboard === which ? "these are its own looks" : "";
    refuse(this.buttons.paste, none);
    this.buttons.paste.textContent = this.clipboard === null ? "Paste looks"
      : `Paste looks of ${this.clipboard}`;
  }
}
