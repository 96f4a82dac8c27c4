// The picture, what is laid over it, and another one to compare it with.

import { button, element } from "./widgets.js";

const LABELS = { off: "Off", before: "Before", input: "Input" };
const SIDES = { off: "not compared", before: "before the changes", input: "the picture itself" };

export class Stage {
  constructor() {
    this.picture = document.getElementById("picture");
    this.layer = document.getElementById("layer");
    this.frame = document.getElementById("frame");
    this.cover = document.getElementById("before");
    this.divider = document.getElementById("divider");
    this.sides = { before: null, input: null };
    this.side = "off";
    this.wipe = element("input", {
      type: "range", min: 0, max: 100, value: 50, "aria-label": "how much of the other is shown",
      oninput: () => this.#cut(),
    });
    this.choices = Object.fromEntries(Object.keys(SIDES).map((side) => [side,
      button(LABELS[side], () => this.compare(side), { title: SIDES[side] })]));
    document.getElementById("compare").append(
      element("span", { textContent: "Compare" }),
      element("span", { className: "segments", role: "group", "aria-label": "compare with" },
        ...Object.values(this.choices)),
      this.wipe);
    this.compare("off");
  }

  show(image) {
    draw(this.picture, image);
  }

  /** What the picture is compared with: ImageData, or null. */
  keep(side, image) {
    this.sides[side] = image;
    this.compare(this.side);
  }

  compare(side) {
    this.side = this.sides[side] ? side : "off";
    for (const [name, made] of Object.entries(this.choices)) {
      made.setAttribute("aria-pressed", String(name === this.side));
    }
    this.cover.hidden = this.divider.hidden = this.wipe.hidden = this.side === "off";
    if (this.side === "off") return;
    this.divider.firstElementChild.textContent = LABELS[this.side];
    draw(this.cover, this.sides[this.side]);
    this.#cut();
  }

  /** Put an element of the layer at (x, y) in [-1, 1]; what is outside stays at the edge. */
  place(made, x, y) {
    const share = (value) => `${50 * (Math.min(1.04, Math.max(-1.04, value)) + 1)}%`;
    made.style.left = share(x);
    made.style.top = share(y);
  }

  /** Where a pointer is, (x, y) in [-1, 1] within the picture. */
  under(event) {
    const box = this.layer.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * 2 - 1,
      (event.clientY - box.top) / box.height * 2 - 1];
  }

  #cut() {
    this.cover.style.clipPath = `inset(0 ${100 - this.wipe.value}% 0 0)`;
    this.divider.style.left = `${this.wipe.value}%`;
  }
}

export function draw(canvas, image) {
  if (canvas.width !== image.width) canvas.width = image.width;
  if (canvas.height !== image.height) canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A picture of colours, each `colour(pixel, channel)` from 0 to 255, rows one after the other. */
export function coloured(width, height, colour) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      image.data[4 * pixel + channel] = colour(pixel, channel);
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** The pixels of a picture at an address within the page. */
export async function pixels(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = element("canvas", { width: image.width, height: image.height });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, image.width, image.height);
}
