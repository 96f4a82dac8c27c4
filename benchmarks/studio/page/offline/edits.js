// Edits of particles in the page, as edits.py and particles.py do them: each from nothing to all.
// Particles are lists of numbers by field, one entry a particle; nothing is changed in place.

import { taken } from "./fields.js";
import { meet } from "./matching.js";

const BACKGROUND = "background";

const count = (value) => Number.isInteger(value) && value >= 0;
const which = (value) => count(value) || value === BACKGROUND;
const share = (value) => value >= 0 && value <= 1;
const finite = Number.isFinite;
const positive = (value) => finite(value) && value > 0;
const picture = (value) => value === undefined || value === "this" || value === "other";

/** What each kind of edit says, the field it changes, and how a share of it is done. */
const KINDS = {
  move: [{ particle: count, dx: finite, dy: finite }, "position", move],
  place: [{ particle: count, x: finite, y: finite }, "position",
    (all, { particle, x, y }, part) => towards(all, "position", particle, [x, y], part)],
  recolour: [{ particle: which, dimension: count, value: finite }, "feature", recolour],
  shift: [{ particle: which, dimension: count, by: finite }, "feature",
    (all, edit, part) => {
      const look = looks(all, edit.particle);
      return recolour(all, { ...edit, value: look[edit.dimension] + part * edit.by }, 1);
    }],
  paste: [{ particle: which, source: which, picture }, "feature", (all, edit, part, other) =>
    painted(all, edit.particle, looks(edit.picture === "other" ? of(other) : all, edit.source), part)],
  copy: [{ particle: count, dx: finite, dy: finite }, "position", (all, edit, part) => {
    const last = all.position.length;
    const more = taken(all, [...all.position.keys(), placed(all, edit.particle)]);
    return move(more, { ...edit, particle: last }, part);
  }],
  remove: [{ particle: count }, "",
    (all, { particle }, part) => towards(all, "presence", particle, 0, part)],
  presence: [{ particle: count, value: share }, "presence",
    (all, { particle, value }, part) => towards(all, "presence", particle, value, part)],
  scale: [{ particle: count, factor: positive }, "size", (all, { particle, factor }, part) =>
    set(all, "size", particle, all.size[placed(all, particle)].map((side) => side * factor ** part))],
  depth: [{ particle: count, value: finite }, "depth",
    (all, { particle, value }, part) => towards(all, "depth", particle, value, part)],
  interpolate: [{ share: (value) => value === undefined || share(value) }, "",
    (all, edit, part, other, numbered) => {
      const [first, second] = meet(all, of(other), numbered);
      return between(first, second, part * (edit.share ?? 1));
    }],
};

/** Edits as a file may hold them, or words that say what is wrong. */
export function checked(edits, most) {
  if (!Array.isArray(edits)) throw new Error("the edits are no list of edits");
  if (edits.length > most) {
    throw new Error(`${edits.length} edits are more than the studio paints, which is ${most}`);
  }
  edits.forEach((edit, place) => {
    const kind = Object.hasOwn(KINDS, edit?.edit) ? KINDS[edit.edit] : null;
    const fits = kind && Object.entries(kind[0]).every(([name, good]) => good(edit[name]))
      && Object.keys(edit).every((name) => name === "edit" || name in kind[0]);
    if (!fits) throw new Error(`the edits: number ${place} is none that can be done`);
  });
  return edits;
}

/** Particles after edits, of the last one only a share. */
export function applied(particles, edits, { part = 1, other = null, painted_by, numbered }) {
  return edits.reduce((all, edit, place) => {
    const [, changed, work] = KINDS[edit.edit];
    const field = edit.particle === BACKGROUND ? BACKGROUND : changed;
    if (field && !painted_by.includes(field)) {
      throw new Error(`'${edit.edit} ${edit.particle}': changes the ${field} of particles, and this `
        + `method paints by ${painted_by.join(", ")} alone`);
    }
    return work(all, edit, place === edits.length - 1 ? part : 1, other, numbered);
  }, particles);
}

function lerp(here, there, part) {
  if (part === 1) return there;
  if (Array.isArray(here)) return here.map((value, place) => lerp(value, there[place], part));
  return here + part * (there - here);
}

function between(first, second, part) {
  return Object.fromEntries(Object.entries(first).map(([field, here]) =>
    [field, lerp(here, second[field], part)]));
}

function move(all, { particle, dx, dy }, part) {
  const [x, y] = all.position[placed(all, particle)];
  return set(all, "position", particle, [x + part * dx, y + part * dy]);
}

function recolour(all, { particle, dimension, value }, part) {
  const look = looks(all, particle);
  if (dimension >= look.length) {
    throw new Error(`there is no feature ${dimension}: they are 0 to ${look.length - 1}`);
  }
  return painted(all, particle, look.with(dimension, value), part);
}

function painted(all, particle, look, part) {
  const changed = lerp(looks(all, particle), look, part);
  return particle === BACKGROUND ? { ...all, background: changed }
    : set(all, "feature", particle, changed);
}

function looks(all, particle) {
  if (particle !== BACKGROUND) return all.feature[placed(all, particle)];
  if (!all.background) throw new Error("this method has no features of a background");
  return all.background;
}

function towards(all, field, particle, target, part) {
  if (!all[field]) throw new Error(`particles of this method have no ${field}`);
  return set(all, field, particle, lerp(all[field][placed(all, particle)], target, part));
}

const set = (all, field, particle, value) =>
  ({ ...all, [field]: all[field].with(placed(all, particle), value) });

function placed(all, particle) {
  const last = all.position.length - 1;
  if (particle > last) throw new Error(`there is no particle ${particle}: they are 0 to ${last}`);
  return particle;
}

function of(other) {
  if (!other) throw new Error("there is no other picture: open one");
  return other;
}
