// The square grid of a canonical picture as it lies on the warped one: level lines of where each
// pixel looks, by marching squares.

const LINES = 9; // in each direction, the picture's edges among them
const NEAR = 2; // cells on either side that are averaged

/**
 * The path of an SVG in a box from -1 to 1.
 * `looked` is [x, y], each rows of numbers: where the pixel looks, at centres of equal cells.
 */
export function gridLines(looked) {
  const parts = [];
  for (const level of levels()) {
    for (const values of looked) trace(values, level, parts);
  }
  return parts.join("");
}

/** The same with displacements averaged over neighbours: what the field does in the large. */
export function averaged(looked) {
  return looked.map((values, axis) => {
    const own = (row, column) => centre(axis ? row : column, values.length);
    const moved = values.map((line, row) => line.map((value, column) => value - own(row, column)));
    return smooth(smooth(moved)).map((line, row) => line.map((value, column) =>
      value + own(row, column)));
  });
}

function smooth(rows) {
  const along = (line) => line.map((_, place) => {
    const near = line.slice(Math.max(0, place - NEAR), place + NEAR + 1);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
  const turned = (lines) => lines[0].map((_, place) => lines.map((line) => line[place]));
  return turned(turned(rows.map(along)).map(along));
}

const centre = (place, count) => (2 * place + 1) / count - 1;

function levels() {
  // The edges themselves are only met by rounding: a little inside of them.
  const step = 2 / (LINES - 1);
  return Array.from({ length: LINES }, (_, place) => (place * step - 1) * 0.995);
}

function trace(values, level, parts) {
  const count = values.length;
  for (let row = 0; row + 1 < count; row += 1) {
    for (let column = 0; column + 1 < count; column += 1) {
      const corners = [values[row][column], values[row][column + 1],
        values[row + 1][column + 1], values[row + 1][column]].map((value) => value - level);
      const [left, right] = [centre(column, count), centre(column + 1, count)];
      const [top, foot] = [centre(row, count), centre(row + 1, count)];
      const at = [[left, top], [right, top], [right, foot], [left, foot]];
      const met = [];
      for (let side = 0; side < 4; side += 1) {
        const [here, there] = [corners[side], corners[(side + 1) % 4]];
        if (here < 0 === there < 0) continue;
        const share = here / (here - there);
        const [from, to] = [at[side], at[(side + 1) % 4]];
        met.push(from.map((value, axis) => value + share * (to[axis] - value)));
      }
      for (let pair = 0; pair + 1 < met.length; pair += 2) {
        const [from, to] = [met[pair], met[pair + 1]];
        parts.push(`M${short(from[0])} ${short(from[1])}L${short(to[0])} ${short(to[1])}`);
      }
    }
  }
}

const short = (value) => value.toFixed(3);
