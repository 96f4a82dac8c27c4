// Two codes in the page: mixed, set and painted, as `CodeDesk` of codes.py does it.

import { eased } from "./film.js";

const LEAST_REACH = 4; // of a slider, in standard deviations of the prior
const PARTS = { where: "geometry", what: "appearance" };

export class CodesModel {
  constructor(data, run) {
    this.data = data;
    this.run = run;
    this.codes = {};
  }

  open(slot, codes) {
    this.codes[slot] = codes;
  }

  about() {
    const found = Object.values(this.codes).flatMap(({ where, what }) => [...where.data, ...what.data]);
    const most = Math.max(...found.map(Math.abs));
    return { ...this.data.desk, reach: Number(Math.max(LEAST_REACH, 1.2 * most).toFixed(1)) };
  }

  async paint(state) {
    const codes = this.#mixed(checked(state));
    const { pictures, found } = await this.run(codes);
    const side = found.looked.dims[3];
    const looked = found.looked.data;
    const rows = (axis) => Array.from({ length: side }, (_, row) =>
      [...looked.subarray((axis * side + row) * side, (axis * side + row + 1) * side)]);
    return { pictures, facts: {
      where: [...codes.where.data], what: [...codes.what.data],
      looked: [rows(0), rows(1)], displacement: found.displacement.data[0],
    } };
  }

  /** From the picture's own codes to those of the state, along a line. */
  async* film(state) {
    const [first, last] = [checked({}), checked(state)].map((one) => this.#mixed(one));
    for (const share of eased()) {
      const between = Object.fromEntries(Object.keys(PARTS).map((part) =>
        [part, lerped(first[part], last[part], share)]));
      yield (await this.run(between)).pictures[0];
    }
  }

  #mixed(state) {
    const { main, other } = this.codes;
    if (!other && (state.geometry || state.appearance)) {
      throw new Error("there is no second picture to take a code from: open one");
    }
    return Object.fromEntries(Object.entries(PARTS).map(([part, name]) => {
      const mixed = lerped(main[part], (other ?? main)[part], state[name]);
      for (const [place, value] of Object.entries(state[part])) {
        if (!(place in mixed.data)) {
          throw new Error(`${part} has no number ${place}: they are 0 to ${mixed.data.length - 1}`);
        }
        mixed.data[place] = value;
      }
      return [part, mixed];
    }));
  }
}

function lerped(here, there, share) {
  return { dims: here.dims,
    data: here.data.map((value, place) => value + share * (there.data[place] - value)) };
}

function checked(state) {
  const made = { geometry: 0, appearance: 0, where: {}, what: {}, ...state };
  const share = (value) => value >= 0 && value <= 1;
  const set = (values) => values !== null && typeof values === "object"
    && Object.entries(values).every(([place, value]) => /^\d+$/.test(place) && Number.isFinite(value));
  const known = Object.keys(made).length === 4 && !Array.isArray(state);
  if (!known || !share(made.geometry) || !share(made.appearance) || !set(made.where)
    || !set(made.what)) {
    throw new Error("this is no state of two codes");
  }
  return made;
}
