// Handles of particles on the picture: dragged by mouse and touch, moved by keys.

import { arrow, button, clamp, element, follow } from "./widgets.js";

const NUDGE = 0.02; // of the arrow keys; the picture's sides are 2
const RADIUS = [7, 13]; // pixels, of the least and the most certain particle
const FAINTEST = 0.35;

export class Handles {
  constructor(desk, stage) {
    this.desk = desk;
    this.stage = stage;
    this.made = [];
    document.addEventListener("keydown", (event) => this.#key(event));
    stage.layer.addEventListener("pointerdown", (event) => {
      if (event.target === stage.layer) desk.choose(null);
    });
  }

  /** Show particles as they are now; the one that is held stays at the pointer. */
  show({ position, certainty, presence }, chosen) {
    while (this.made.length > position.length) this.made.pop().remove();
    while (this.made.length < position.length) this.#add(this.made.length);
    this.made.forEach((handle, number) => {
      this.stage.place(handle, ...(handle.held ?? position[number]));
      const radius = RADIUS[0] + certainty[number] * (RADIUS[1] - RADIUS[0]);
      handle.style.width = handle.style.height = `${2 * radius}px`;
      handle.style.opacity = String(FAINTEST + (1 - FAINTEST) * clamp(presence[number], 0, 1));
      handle.classList.toggle("gone", presence[number] === 0);
      handle.setAttribute("aria-pressed", String(chosen === number));
    });
  }

  /** Show or hide all handles, or their numbers; whether they are shown now. */
  toggle(what) {
    return !this.stage.layer.classList.toggle(`no-${what}`);
  }

  #add(number) {
    const { desk, stage } = this;
    const handle = button("", () => desk.choose(number), { className: "handle" });
    handle.append(element("span", { textContent: String(number) }));
    handle.setAttribute("aria-label", `particle ${number}`);
    handle.onfocus = () => desk.choose(number);
    let grip = null;
    follow(handle, {
      start: (event) => {
        const at = stage.under(event);
        grip = desk.facts.position[number].map((own, axis) => at[axis] - own);
        handle.focus({ preventScroll: true });
        return true;
      },
      move: (event) => {
        handle.held = stage.under(event).map((at, axis) => clamp(at - grip[axis], -1, 1));
        stage.place(handle, ...handle.held);
        desk.live(placed(number, handle.held));
      },
      end: () => {
        const at = handle.held;
        handle.held = null;
        if (at) desk.settle(placed(number, at));
      },
    });
    this.made.push(handle);
    stage.layer.append(handle);
  }

  #key(event) {
    const { desk } = this;
    const number = this.made.indexOf(document.activeElement);
    if (number < 0 || !desk.facts) return;
    const step = arrow(event, NUDGE);
    const held = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (step) {
      const at = desk.facts.position[number].map((own, axis) => clamp(own + step[axis], -1, 1));
      desk.facts.position[number] = at; // the next press goes on from here
      desk.settle(placed(number, at));
    } else if (key === "delete" || key === "backspace") {
      desk.hide();
    } else if (held && key === "c") {
      desk.copyLooks();
    } else if (held && key === "v") {
      desk.pasteLooks();
    } else if (key === "escape") {
      document.activeElement.blur();
      desk.choose(null);
    } else {
      return;
    }
    event.preventDefault();
  }
}

function placed(particle, [x, y]) {
  return { edit: "place", particle, x, y };
}
