// A model within the page, in place of the studio's server: the same states in, the same frames out.

import { Requests } from "../requests.js";
import { coloured } from "../stage.js";
import { CodesModel } from "./codes.js";
import { filmed } from "./film.js";
import { Network, numbers, start, unpacked } from "./ort.js";
import { ParticlesModel } from "./particles.js";
import { cut } from "./photos.js";
import { PlaneModel } from "./plane.js";

const MODELS = { particles: ParticlesModel, codes: CodesModel, manifold: PlaneModel };

export class Local extends Requests {
  constructor(data) {
    super();
    this.data = data;
    this.opened = {};
    this.isOpen = false;
  }

  async open() {
    const { data } = this;
    try {
      start(await unpacked(data.runtime));
      this.decoder = await Network.from(await unpacked(data.decoder));
      this.encoder = data.encoder ? await Network.from(await unpacked(data.encoder)) : null;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("broken", { detail: error.message }));
      return;
    }
    // What only making the page needed is not kept.
    data.runtime = data.decoder = data.encoder = null;
    this.model = new MODELS[data.kind](data, (inputs) => this.#run(inputs));
    this.#put("main", known(data.pictures[0]));
    this.isOpen = true;
    this.dispatchEvent(new CustomEvent("opened", { detail: this.about() }));
    this.pump();
  }

  about() {
    const { data } = this;
    return {
      kind: data.kind, slots: data.slots, title: data.title, size: data.size, tests: data.tests,
      fixed: data.fixed, pictures: { ...this.opened }, desk: this.model.about(),
    };
  }

  async ask(number, state) {
    try {
      const { pictures, facts } = await this.model.paint(state);
      await rest(); // what the hand did meanwhile comes first
      this.landed({ number, pictures, facts });
    } catch (error) {
      this.refused(number, error.message);
    }
  }

  /** What the server does for files, numbers and films. */
  async post(path, body, { slot = "main", index = -1, name = "picture" } = {}) {
    if (path === "film") return filmed(this.model.film(JSON.parse(body)));
    if (path === "test") {
      const found = this.data.pictures.find((one) => one.index === index);
      if (!found) {
        throw new Error(`this page holds no test picture ${index}: they are 0 to ${
          this.data.tests - 1}`);
      }
      this.#put(slot, known(found));
    } else {
      const { pixels, address } = await cut(body, this.data.size, this.data.channels);
      const found = await this.encoder.run({ image: pixels });
      const codes = Object.fromEntries(Object.entries(found).map(([key, { dims, data }]) =>
        [key, { dims: [...dims], data }]));
      this.#put(slot, { name, index: null, address, codes });
    }
    return this.about();
  }

  #put(slot, { name, index, address, codes, desk }) {
    this.model.open(slot, codes, desk);
    this.opened[slot] = { name, index, address };
  }

  async #run(inputs) {
    const found = await this.decoder.run(inputs);
    const { dims: [count, channels, height, width], data } = found.picture;
    const size = height * width;
    const pictures = Array.from({ length: count }, (_, place) => coloured(width, height,
      (pixel, channel) =>
        Math.round(255 * data[(place * channels + channel % channels) * size + pixel])));
    return { pictures, found };
  }
}

/** A picture that the page came with. */
function known({ name, index, address, codes, desk }) {
  const read = Object.entries(codes).map(([key, [dims, text]]) =>
    [key, { dims, data: numbers(text) }]);
  return { name, index, address, desk, codes: Object.fromEntries(read) };
}

const rest = () => new Promise((done) => { setTimeout(done, 0); });
