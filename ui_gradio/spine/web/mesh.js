// Draws triangle meshes with WebGL 2: orbit, light from the viewer, one part chosen. No library:
// what a general one needs for this is half a megabyte.

import { multiply } from "./glb.js";

const VERTEX = `#version 300 es
uniform mat4 view; uniform mat4 lens;
in vec3 position; in vec3 normal;
out vec3 n; out vec3 p;
void main() {
  vec4 seen = view * vec4(position, 1.0);
  n = mat3(view) * normal; p = seen.xyz;
  gl_Position = lens * seen;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
uniform vec3 colour; uniform float glow;
in vec3 n; in vec3 p;
out vec4 shade;
void main() {
  vec3 m = normalize(n); vec3 eye = normalize(-p);
  if (dot(m, eye) < 0.0) m = -m;
  float facing = dot(m, eye);
  float light = 0.34 + 0.58 * facing + 0.24 * max(0.0, dot(m, normalize(vec3(-0.5, 0.8, 0.4))));
  vec3 lit = colour * light + vec3(0.10) * pow(facing, 24.0);
  lit = mix(lit, vec3(1.0), glow * pow(1.0 - facing, 2.0));
  shade = vec4(pow(lit, vec3(0.92)), 1.0);
}`;
const FIELD = (30 * Math.PI) / 180;

export class Mesh {
  // Throws where WebGL 2 is missing.
  constructor(canvas, parts) {
    this.canvas = canvas;
    this.parts = parts;
    this.gl = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("WebGL 2 is not available.");
    this.turn = 0.6; // radians around the patient's long axis, 0 from the front
    this.tilt = 0.12;
    this.near = 1; // 2: twice as large
    this.selected = 0;
    this.measure();
    this.prepare();
  }

  measure() {
    const low = [Infinity, Infinity, Infinity];
    const high = low.map((value) => -value);
    for (const { positions } of this.parts) {
      for (let i = 0; i < positions.length; i += 1) {
        low[i % 3] = Math.min(low[i % 3], positions[i]);
        high[i % 3] = Math.max(high[i % 3], positions[i]);
      }
    }
    this.centre = low.map((value, axis) => (value + high[axis]) / 2);
    this.sides = low.map((value, axis) => high[axis] - value);
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.names = Object.fromEntries(
      ["view", "lens", "colour", "glow"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    this.loaded = this.parts.map((part) => this.load(program, part));
    gl.enable(gl.DEPTH_TEST);
  }

  load(program, { positions, normals, indices }) {
    const { gl } = this;
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    for (const [name, values] of [
      ["position", positions],
      ["normal", normals],
    ]) {
      const place = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    }
    const wide = indices
      ? Uint32Array.from(indices)
      : Uint32Array.from({ length: positions.length / 3 }, (_, i) => i);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, wide, gl.STATIC_DRAW);
    return { array, count: wide.length, indices: wide };
  }

  // The camera goes around the centre; the whole spine is in view at any turn.
  camera() {
    const aspect = this.canvas.width / this.canvas.height;
    const [width, height, depth] = this.sides;
    const across = Math.hypot(width, depth);
    const half = Math.max(height * 0.54, (across * 0.54) / aspect);
    const away = half / Math.tan(FIELD / 2) / this.near + across / 2;
    const [c, s, u, v] = [Math.cos(this.turn), Math.sin(this.turn), Math.cos(this.tilt), Math.sin(this.tilt)];
    const around = [c, s * v, -s * u, 0, 0, u, v, 0, s, -c * v, c * u, 0, 0, 0, 0, 1];
    const shift = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, ...this.centre.map((value) => -value), 1];
    const view = multiply([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, -away, 1], multiply(around, shift));
    const [f, n, z] = [1 / Math.tan(FIELD / 2), away / 50, away * 3];
    const lens = [
      f / aspect,
      0,
      0,
      0,
      0,
      f,
      0,
      0,
      0,
      0,
      (n + z) / (n - z),
      -1,
      0,
      0,
      (2 * n * z) / (n - z),
      0,
    ];
    return { view, lens };
  }

  draw() {
    const { gl, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.02, 0.03, 0.04, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const { view, lens } = this.camera();
    gl.uniformMatrix4fv(this.names.view, false, view);
    gl.uniformMatrix4fv(this.names.lens, false, lens);
    this.parts.forEach((part, i) => {
      const chosen = part.code === this.selected;
      const dim = this.selected && !chosen ? 0.72 : 1;
      gl.uniform3fv(
        this.names.colour,
        part.colour.map((value) => value * dim),
      );
      gl.uniform1f(this.names.glow, chosen ? 1 : 0);
      gl.bindVertexArray(this.loaded[i].array);
      gl.drawElements(gl.TRIANGLES, this.loaded[i].count, gl.UNSIGNED_INT, 0);
    });
  }

  // The part under a pixel of the canvas: every triangle is asked, which takes milliseconds.
  partAt(x, y) {
    const { view, lens } = this.camera();
    const all = multiply(lens, view);
    const [wide, tall] = [this.canvas.width, this.canvas.height];
    let [best, nearest] = [null, Infinity];
    this.parts.forEach((part, i) => {
      const screen = projected(part.positions, all, wide, tall);
      const { indices } = this.loaded[i];
      for (let t = 0; t < indices.length; t += 3) {
        const depth = depthAt(screen, indices, t, x, y);
        if (depth < nearest) [best, nearest] = [part, depth];
      }
    });
    return best;
  }
}

function projected(positions, matrix, wide, tall) {
  const screen = new Float32Array(positions.length);
  for (let i = 0; i < positions.length; i += 3) {
    const [x, y, z] = [positions[i], positions[i + 1], positions[i + 2]];
    const w = matrix[3] * x + matrix[7] * y + matrix[11] * z + matrix[15];
    screen[i] = (0.5 + (0.5 * (matrix[0] * x + matrix[4] * y + matrix[8] * z + matrix[12])) / w) * wide;
    screen[i + 1] = (0.5 - (0.5 * (matrix[1] * x + matrix[5] * y + matrix[9] * z + matrix[13])) / w) * tall;
    screen[i + 2] = w;
  }
  return screen;
}

function depthAt(screen, indices, t, x, y) {
  const [a, b, c] = [3 * indices[t], 3 * indices[t + 1], 3 * indices[t + 2]];
  const side = (p, q) =>
    (screen[q] - screen[p]) * (y - screen[p + 1]) - (screen[q + 1] - screen[p + 1]) * (x - screen[p]);
  const [u, v, w] = [side(a, b), side(b, c), side(c, a)];
  if ((u < 0 || v < 0 || w < 0) && (u > 0 || v > 0 || w > 0)) return Infinity;
  const sum = u + v + w;
  return sum ? (u * screen[c + 2] + v * screen[a + 2] + w * screen[b + 2]) / sum : Infinity;
}
