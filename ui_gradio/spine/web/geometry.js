// Where a pixel of a slice lies in the patient, and back. Millimetres are RAS+.

export class Geometry {
  constructor({ count, width, height, mm_per_pixel, origin_mm, right_mm, down_mm, next_mm, edges }) {
    Object.assign(this, { count, width, height, edges });
    this.mmPerPixel = mm_per_pixel;
    this.origin = origin_mm;
    this.steps = [right_mm, down_mm, next_mm];
    this.inverse = inverseOf(this.steps);
  }

  // (column, row, slice) -> [x, y, z] in mm; all may be fractions
  toMm(place) {
    return [0, 1, 2].map((axis) =>
      this.steps.reduce((sum, step, i) => sum + place[i] * step[axis], this.origin[axis]),
    );
  }

  // [x, y, z] in mm -> [column, row, slice]
  fromMm(point) {
    const away = point.map((value, axis) => value - this.origin[axis]);
    return this.inverse.map((row) => row.reduce((sum, value, axis) => sum + value * away[axis], 0));
  }

  sliceOf(point) {
    return Math.max(0, Math.min(this.count - 1, Math.round(this.fromMm(point)[2])));
  }

  // The same point moved to another slice of this view.
  inSlice(point, slice) {
    const place = this.fromMm(point);
    return this.toMm([place[0], place[1], Math.max(0, Math.min(this.count - 1, slice))]);
  }
}

// The matrix has the steps as columns.
function inverseOf([a, b, c]) {
  const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const rows = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = a.reduce((sum, value, axis) => sum + value * rows[0][axis], 0);
  return rows.map((row) => row.map((value) => value / determinant));
}
