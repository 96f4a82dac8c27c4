// A plane of places in the page, as `ManifoldDesk` of manifold.py does it.

import { eased } from "./film.js";

export class PlaneModel {
  constructor(data, run) {
    this.run = run;
  }

  open(slot, codes, desk) {
    this.codes = codes;
    this.desk = desk;
  }

  about() {
    return this.desk;
  }

  async paint(state) {
    const where = this.#checked(state);
    const { pictures } = await this.#painted(where);
    return { pictures, facts: { where } };
  }

  /** From the frame's own place to that of the state, along a line. */
  async* film(state) {
    const [first, last] = [[...this.codes.where.data], this.#checked(state)];
    for (const share of eased()) {
      const where = first.map((value, place) => value + share * (last[place] - value));
      yield (await this.#painted(where)).pictures[0];
    }
  }

  #painted(where) {
    return this.run({ what: this.codes.what,
      where: { dims: this.codes.where.dims, data: Float32Array.from(where) } });
  }

  #checked(state) {
    const where = state?.where;
    if (!Array.isArray(where) || !where.every(Number.isFinite)) {
      throw new Error("this is no place on the plane");
    }
    const wanted = this.codes.where.data.length;
    if (where.length !== wanted) {
      throw new Error(`where has ${wanted} numbers, not ${where.length}`);
    }
    return where;
  }
}
