// Particles as lists by field, one entry a particle.

export const OF_PARTICLES = ["position", "log_variance", "size", "feature", "presence", "depth"];

/** Particles of these numbers in this order. */
export function taken(all, order) {
  const rows = OF_PARTICLES.filter((field) => all[field]).map((field) =>
    [field, order.map((number) => all[field][number])]);
  return { ...all, ...Object.fromEntries(rows) };
}
