// Small parts of the page: elements, buttons, sliders.

/** An element with properties, `on...` listeners, `data-` and `aria-` attributes, and children. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (/^(aria-|data-|role$|for$)/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

export function button(words, onclick, properties = {}) {
  return element("button", { type: "button", textContent: words, onclick, ...properties });
}

/** Say why a button cannot be used, or "" that it can. */
export function refuse(made, reason) {
  made.disabled = Boolean(reason);
  made.title = reason || made.dataset.title || "";
}

let sliders = 0;

/**
 * A labelled slider. `live(value)` is called while it moves, `settle(value)` once it rests.
 * `digits` are decimals of the number beside it; `log` makes equal ways equal ratios.
 */
export class Slider {
  constructor({ label, low, high, live, settle, digits = 2, log = false, words = null }) {
    this.log = log;
    this.words = words ?? ((value) => value.toFixed(digits));
    const ends = [low, high].map((end) => this.#inward(end));
    const id = `slider-${(sliders += 1)}`;
    this.input = element("input", {
      type: "range", id, min: ends[0], max: ends[1], step: (ends[1] - ends[0]) / 400,
      oninput: () => { this.#say(this.value); live(this.value); },
      onchange: () => settle(this.value),
    });
    this.output = element("output", { for: id });
    this.root = element("div", { className: "slider" },
      element("label", { htmlFor: id, textContent: label }), this.input, this.output);
  }

  get value() {
    const raw = Number(this.input.value);
    return this.log ? Math.exp(raw) : raw;
  }

  /** Show a value; not while somebody is at it. */
  set(value) {
    if (this.input.matches(":active")) return;
    this.input.value = this.#inward(value);
    this.#say(value);
  }

  #inward(value) {
    return this.log ? Math.log(value) : value;
  }

  #say(value) {
    this.output.textContent = this.words(value);
  }
}

/** A heading with what belongs below it. */
export function group(heading, ...children) {
  return element("div", { className: "group" },
    element("h3", { textContent: heading }), ...children);
}

/** Follow a pointer from where it goes down on `target` until it goes up; touch as well. */
export function follow(target, { start, move, end }) {
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || start(event) === false) return;
    event.preventDefault();
    target.setPointerCapture(event.pointerId);
    const moved = (next) => move(next);
    const ended = (last) => {
      target.removeEventListener("pointermove", moved);
      target.removeEventListener("pointerup", ended);
      target.removeEventListener("pointercancel", ended);
      end(last);
    };
    target.addEventListener("pointermove", moved);
    target.addEventListener("pointerup", ended);
    target.addEventListener("pointercancel", ended);
  });
}

/** Steps of the arrow keys, (right, down); larger with Shift. null for other keys. */
export function arrow(event, step) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const found = way[event.key];
  if (!found || event.ctrlKey || event.metaKey || event.altKey) return null;
  const size = event.shiftKey ? 5 * step : step;
  return found.map((sign) => sign * size);
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
