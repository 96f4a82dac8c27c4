// Edits of particles, as `whatwhere edit` reads them.

const SET = ["place", "recolour", "presence", "depth"]; // the last of these replaces the first

/** Edits with another one at their end; what it makes pointless is left out. */
export function appended(edits, edit) {
  const last = edits.at(-1);
  const alike = last && last.edit === edit.edit && last.particle === edit.particle
    && last.dimension === edit.dimension;
  if (alike && (SET.includes(edit.edit) || edit.edit === "interpolate")) {
    return [...edits.slice(0, -1), edit];
  }
  if (alike && edit.edit === "scale") {
    return [...edits.slice(0, -1), { ...edit, factor: last.factor * edit.factor }];
  }
  return [...edits, edit];
}

/** Edits that leave a particle where it was, or null where none hid it. */
export function unhidden(edits, particle) {
  const left = edits.filter((one) => !(one.edit === "remove" && one.particle === particle));
  return left.length < edits.length ? left : null;
}
