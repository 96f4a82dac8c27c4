// Which particles of two pictures belong together, as matching.py says it.

import { OF_PARTICLES, taken } from "./fields.js";

const LEAST_VARIANCE = 1e-8;

/** Particles of two pictures, partners under one number; lonely ones fade in their place. */
export function meet(here, there, numbered) {
  const [count, others] = [here.position.length, there.position.length];
  if (numbered) {
    if (count !== others) {
      throw new Error(`one picture has ${count} particles, the other ${others}`);
    }
    return [here, there];
  }
  const partner = matched(costs(here, there));
  const lonely = [...Array(others).keys()].filter((number) => !partner.includes(number));
  const first = joined(here, faded(taken(there, lonely)));
  const met = partner.map((number, own) => (number === null
    ? one(faded(taken(here, [own])), 0) : one(there, number)));
  const fields = OF_PARTICLES.filter((field) => there[field]);
  const partners = Object.fromEntries(fields.map((field) => [field, met.map((each) => each[field])]));
  return [first, joined({ ...there, ...partners }, taken(there, lonely))];
}

/** The partner of every row that costs least in all; null for rows without one. */
export function matched(cost) {
  const [rows, columns] = [cost.length, cost[0].length];
  if (rows > columns) {
    const partner = Array(rows).fill(null);
    matched(cost[0].map((_, column) => cost.map((row) => row[column]))).forEach((row, column) => {
      partner[row] = column;
    });
    return partner;
  }
  // The Hungarian method with potentials: one row after the other by a cheapest path.
  const [rowGain, columnGain] = [Array(rows).fill(0), Array(columns).fill(0)];
  const owner = Array(columns).fill(-1);
  for (let start = 0; start < rows; start += 1) {
    const least = Array(columns).fill(Infinity);
    const before = Array(columns).fill(-1);
    const done = new Set();
    let [row, column] = [start, -1];
    while (row >= 0) {
      let next = -1;
      for (let place = 0; place < columns; place += 1) {
        if (done.has(place)) continue;
        const price = cost[row][place] - rowGain[row] - columnGain[place];
        if (price < least[place]) [least[place], before[place]] = [price, column];
        if (next < 0 || least[place] < least[next]) next = place;
      }
      const step = least[next];
      rowGain[start] += step;
      for (const place of done) {
        columnGain[place] -= step;
        rowGain[owner[place]] += step;
      }
      for (let place = 0; place < columns; place += 1) {
        if (!done.has(place)) least[place] -= step;
      }
      done.add(next);
      [row, column] = [owner[next], next];
    }
    for (let place = column; place >= 0; place = before[place]) {
      owner[place] = before[place] < 0 ? start : owner[before[place]];
    }
  }
  const partner = Array(rows).fill(null);
  owner.forEach((row, column) => { if (row >= 0) partner[row] = column; });
  return partner;
}

/** Squared distance, and appearance in its variance, a feature on average. */
function costs(here, there) {
  const features = [...here.feature, ...there.feature];
  const variance = features[0].map((_, place) => {
    const values = features.map((feature) => feature[place]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return Math.max(LEAST_VARIANCE,
      values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  });
  const moved = (a, b) => a.reduce((sum, value, axis) => sum + (value - b[axis]) ** 2, 0);
  const changed = (a, b) => a.reduce((sum, value, place) =>
    sum + (value - b[place]) ** 2 / variance[place], 0) / a.length;
  return here.position.map((place, row) => there.position.map((other, column) =>
    4 * moved(place, other) + changed(here.feature[row], there.feature[column])
    + (here.presence[row] - there.presence[column]) ** 2));
}

const one = (all, number) => Object.fromEntries(OF_PARTICLES.filter((field) => all[field]).map(
  (field) => [field, all[field][number]]));

const faded = (all) => ({ ...all, presence: all.presence.map(() => 0) });

function joined(first, second) {
  const rows = OF_PARTICLES.filter((field) => first[field]).map((field) =>
    [field, [...first[field], ...second[field]]]);
  return { ...first, ...Object.fromEntries(rows) };
}
