// The page: what is the same for every method. Each method's controls are a desk of their own.

import { CodesDesk } from "./codes.js";
import { acceptDrops, chooser, give } from "./files.js";
import { History } from "./history.js";
import { ManifoldDesk } from "./manifold.js";
import { ParticleDesk } from "./particles.js";
import { pixels, Stage } from "./stage.js";
import { button, element } from "./widgets.js";

const DESKS = { particles: ParticleDesk, codes: CodesDesk, manifold: ManifoldDesk };
const OPENING = 2; // pictures that are painted when one is opened: that is no rate
const SLOTS = { main: "Picture", other: "Second picture" };
const LARGEST = 20 * 2 ** 20; // bytes of a file, as the server has it
const IMAGES = "image/png,image/jpeg,image/webp,image/bmp,image/tiff,.json";

export class Studio {
  /** `link` is the way to the model: see requests.js. */
  constructor(link) {
    this.link = link;
    this.stage = new Stage();
    this.controls = document.getElementById("controls");
    this.history = null;
    this.desk = null;
    this.shown = null;
    this.bar = {
      undo: button("Undo", () => this.step("undo"), { title: "Ctrl+Z" }),
      redo: button("Redo", () => this.step("redo"), { title: "Ctrl+Shift+Z" }),
      reset: button("Reset", () => this.commit(this.history.first)),
      png: button("Save PNG", () => this.savePicture()),
      json: button("Save edits", () => this.saveState()),
      film: button("Save video", () => this.saveFilm()),
    };
    document.getElementById("bar").append(...Object.values(this.bar));
    this.#listen();
    this.link.open();
  }

  // What a desk calls.

  /** Paint a state that somebody is still changing. */
  live(state) {
    this.shown = state;
    return this.#refresh();
  }

  /** Paint a state, and remember it. */
  commit(state) {
    this.history.push(state);
    return this.live(this.history.state);
  }

  /** Open another picture: a file, or the number of a test picture. */
  async open(slot, file) {
    const number = typeof file === "number";
    if (!number && this.about?.fixed) return this.say(this.about.fixed);
    if (!number && file.size > LARGEST) {
      return this.say(`${file.name} is larger than ${LARGEST / 2 ** 20} MB: make it smaller.`);
    }
    const query = number ? { slot, index: file } : { slot, name: file.name };
    const words = "Taking the picture apart …";
    const path = number ? "test" : "picture";
    const about = await this.#patient(words, () => this.link.post(path, number ? "" : file, query));
    if (about) await this.#told(about, slot);
  }

  /** Say something that went wrong, with what can be done about it. */
  say(words, actions = []) {
    const notice = document.getElementById("notice");
    notice.hidden = !words;
    notice.querySelector("p").textContent = words;
    notice.querySelector("div").replaceChildren(
      ...actions.map(([label, act]) => button(label, act)),
      button("Close", () => this.say("")));
  }

  // What the bar does.

  step(way) {
    this.history[way]();
    return this.live(this.history.state);
  }

  savePicture() {
    this.stage.picture.toBlob((blob) => give(blob, "picture.png"), "image/png");
  }

  saveState() {
    const text = `${JSON.stringify(this.history.state, null, 2)}\n`;
    give(new Blob([text], { type: "application/json" }), "edits.json");
  }

  async saveFilm() {
    const state = JSON.stringify(this.history.state);
    const film = await this.#patient("Painting the video …", () => this.link.post("film", state));
    if (film) give(film, film.type === "video/webm" ? "film.webm" : "film.mp4");
  }

  async take(file, slot) {
    if (!file.name.toLowerCase().endsWith(".json")) return this.open(slot ?? "main", file);
    try {
      await this.commit(JSON.parse(await file.text()));
    } catch {
      this.say(`${file.name} holds no edits: it is not valid JSON.`);
    }
  }

  // What happens by itself.

  #listen() {
    const { link } = this;
    link.addEventListener("opened", ({ detail }) => {
      this.say("");
      this.#told(detail, "all");
    });
    const here = ["Work here", () => { this.say(""); link.open(true); }];
    const save = ["Save edits", () => this.saveState()];
    link.addEventListener("busy", () => this.#away(
      "The studio is open in another window. Only one window can work in it at a time.", [here]));
    link.addEventListener("taken", () => this.#away(
      "Another window has taken the studio over. What you changed is still in this page.",
      [here, save]));
    link.addEventListener("ended", () => this.#away(
      "The studio was ended. Save your edits, start `whatwhere studio` again, open its new address "
      + "and drop them there.", [save]));
    link.addEventListener("broken", ({ detail }) => this.#away(
      `The model could not be started in this browser: ${detail}`, []));
    link.addEventListener("lost", () => this.#away(
      "The connection to the studio is lost; trying again. If the studio was ended, save your "
      + "edits, start `whatwhere studio` again and drop them into its new page.",
      this.history ? [save] : []));
    document.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || !this.history) return;
      const key = event.key.toLowerCase();
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      this.step(key === "y" || event.shiftKey ? "redo" : "undo");
    });
    acceptDrops((file, slot) => this.take(file, slot));
    setInterval(() => this.#count(), 500);
  }

  #away(words, actions) {
    this.#status("Not connected");
    this.say(words, actions);
  }

  async #told(about, slot) {
    document.getElementById("title").textContent = about.title;
    this.desk ??= new DESKS[about.kind](this, about);
    const known = this.about;
    this.about = about;
    this.#listPictures();
    const same = known?.pictures.main.address === about.pictures.main.address;
    const kept = this.desk.kept?.();
    const first = this.desk.opened(about, slot);
    if (!this.history || !(same || slot === "other")) {
      this.history = new History(first);
      if (kept) this.history.push(kept);
    }
    this.stage.keep("input", await pixels(about.pictures.main.address));
    const before = await this.link.decode(this.history.first, { keep: true });
    if (before) this.stage.keep("before", before.pictures[0]);
    await this.live(this.history.state);
    this.#status("Ready");
    document.documentElement.dataset.ready = "true";
  }

  async #refresh() {
    const state = this.shown;
    this.bar.undo.disabled = !this.history.canUndo;
    this.bar.redo.disabled = !this.history.canRedo;
    this.bar.reset.disabled = this.history.state === this.history.first;
    try {
      const frame = await this.link.decode(state);
      if (!frame) return;
      this.stage.show(frame.pictures[0]);
      this.desk.show(frame);
      document.documentElement.dataset.painted = String(this.link.asked);
    } catch (error) {
      this.say(sentence(error.message));
      this.history.drop(state);
      if (state !== this.history.state) await this.live(this.history.state);
    }
  }

  async #patient(words, work) {
    this.#status(words);
    document.body.setAttribute("aria-busy", "true");
    try {
      return await work();
    } catch (error) {
      this.say(sentence(error.message));
      return null;
    } finally {
      document.body.removeAttribute("aria-busy");
      this.#status("Ready");
    }
  }

  #listPictures() {
    const { about } = this;
    document.getElementById("pictures").replaceChildren(...about.slots.map((slot) => {
      const opened = about.pictures[slot];
      const shown = opened
        ? element("img", { src: opened.address, alt: `${SLOTS[slot]}: ${opened.name}` })
        : element("span", { className: "empty", textContent: "none yet" });
      const made = element("figure", { "data-slot": slot }, shown,
        element("figcaption", {}, element("strong", { textContent: SLOTS[slot] }),
          element("span", { className: "small",
            textContent: opened?.name ?? this.#invitation() }),
          element("span", { className: "buttons" },
            chooser("Open …", about.fixed ? ".json" : IMAGES, (file) => this.take(file, slot)),
            this.#tests(slot))));
      return made;
    }));
  }

  /** How a picture gets into an empty place. */
  #invitation() {
    if (!this.about.fixed) return "drop one here";
    return this.about.tests ? "choose one by its number" : "none in this page";
  }

  /** A field for the number of a test picture, if there are any. */
  #tests(slot) {
    const { tests, pictures } = this.about;
    if (!tests) return "";
    return element("input", {
      type: "number", min: 0, max: tests - 1, value: pictures[slot]?.index ?? "", placeholder: "no.",
      "aria-label": `${SLOTS[slot]}: number of a test picture, 0 to ${tests - 1}`,
      title: `a test picture, 0 to ${tests - 1}`,
      onchange: (event) => this.open(slot, Math.trunc(Number(event.target.value))),
    });
  }

  #status(words) {
    this.words = words;
    this.#count();
  }

  #count() {
    const { rate } = this.link;
    const text = rate > OPENING ? `${rate} pictures a second` : this.words ?? "";
    const status = document.getElementById("status");
    if (status.textContent !== text) status.textContent = text;
  }
}

/** What the server says, as a sentence. */
function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
