// Particles in the page: edited, then painted, as `ParticleDesk` of particles.py does it.

import { applied, checked } from "./edits.js";
import { taken } from "./fields.js";
import { smooth } from "./film.js";

const MOST = 400; // edits of a state
const MARGIN = 0.5; // how far a slider goes beyond the values found, in shares of their range
const [LONGEST, STEPS, STILL] = [240, 12, 4]; // frames of a film, as editor.py counts them

export class ParticlesModel {
  constructor({ desk }, run) {
    this.desk = desk;
    this.run = run;
    this.pictures = {};
  }

  open(slot, codes) {
    this.pictures[slot] = Object.fromEntries(Object.entries(codes).map(([field, tensor]) =>
      [field, nested(tensor)[0]]));
  }

  about() {
    const { main, other } = this.pictures;
    const features = main.background ? [...main.feature, main.background] : main.feature;
    const ranges = { feature: reaches(features) };
    if (this.desk.painted_by.includes("depth") && main.depth) {
      ranges.depth = reaches(main.depth.map((value) => [value]));
    }
    return { ...this.desk, ranges, numbered: Boolean(other) && this.desk.numbered };
  }

  async paint(state) {
    const particles = this.#after(checked(state, MOST));
    return { pictures: await this.#painted(particles), facts: this.#facts(particles) };
  }

  /** One edit after the other, at rest between. */
  async* film(state) {
    const edits = checked(state, MOST);
    if (!edits.length) {
      throw new Error("nothing has been changed yet: there is nothing to show in a film");
    }
    const steps = Math.max(2, Math.min(STEPS, Math.floor(LONGEST / edits.length)));
    const [start] = await this.#painted(this.#after([]));
    for (let still = 0; still < STILL; still += 1) yield start;
    for (let place = 1; place <= edits.length; place += 1) {
      const done = edits.slice(0, place);
      let frame;
      for (let step = 1; step <= steps; step += 1) {
        [frame] = await this.#painted(this.#after(done, smooth(step / steps)));
        yield frame;
      }
      for (let still = 0; still < STILL; still += 1) yield frame;
    }
  }

  #after(edits, part = 1) {
    return applied(this.pictures.main, edits, { part, other: this.pictures.other, ...this.desk });
  }

  async #painted(particles) {
    const { main } = this.pictures;
    const { painted_by: names, fixed_count: fixed } = this.desk;
    let shown = particles;
    if (!names.includes("presence")) {
      shown = taken(shown, [...shown.presence.keys()].filter((one) => shown.presence[one] !== 0));
    }
    const count = shown.position.length;
    if (fixed && count !== main.position.length) throw new Error(this.desk.refused.copy);
    if (!count) throw new Error("no particle is left to paint");
    const { pictures } = await this.run(Object.fromEntries(names.map((field) =>
      [field, tensor([shown[field]])])));
    return pictures;
  }

  #facts(all) {
    const names = ["position", "feature", "presence", "background"];
    for (const field of ["size", "depth"]) {
      if (this.desk.painted_by.includes(field)) names.push(field);
    }
    const spread = spreads(all);
    const known = spreads(this.pictures.main);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const certain = (value) => Math.min(1, Math.max(0, (high - value) / (high - low)));
    return {
      ...Object.fromEntries(names.filter((field) => all[field]).map((field) => [field, all[field]])),
      deviation: all.log_variance.map((pair) => Math.exp(mean(pair) / 2)),
      certainty: spread.map((value) => (high - low < 1e-6 ? 0.5 : certain(value))),
    };
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spreads = (all) => all.log_variance.map(mean);

/** Ends of a slider for every column of rows of values: those found, and some more. */
function reaches(rows) {
  return rows[0].map((_, column) => {
    const values = rows.map((row) => row[column]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const reach = Math.max(high - low, 1) * MARGIN;
    return [low - reach, high + reach].map((end) => Number(end.toFixed(2)));
  });
}

/** A tensor as nested lists. */
function nested({ dims, data }) {
  const cut = (axis, start, length) => {
    if (axis === dims.length) return data[start];
    const step = length / dims[axis];
    return Array.from({ length: dims[axis] }, (_, place) => cut(axis + 1, start + place * step, step));
  };
  return cut(0, 0, data.length);
}

/** Nested lists as a tensor. */
function tensor(lists) {
  const dims = [];
  for (let inner = lists; Array.isArray(inner); [inner] = inner) dims.push(inner.length);
  return { dims, data: Float32Array.from(lists.flat(Infinity)) };
}
