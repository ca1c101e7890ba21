// Reads the part of binary glTF 2.0 that our own export writes: named nodes with triangle meshes.
// https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html

const ARRAYS = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };
const PARTS = { SCALAR: 1, VEC3: 3 };

// -> [{name, code, positions, normals, indices}], matrices applied
export function readGlb(buffer) {
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== 0x46546c67) throw new Error("This is not a GLB file.");
  const length = view.getUint32(12, true);
  const gltf = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, length)));
  const start = 20 + length + 8;
  const found = [];
  const scene = gltf.scenes[gltf.scene ?? 0];
  for (const node of scene.nodes) walk(gltf, buffer, start, gltf.nodes[node], IDENTITY, found);
  return found;
}

function walk(gltf, buffer, start, node, above, found) {
  const matrix = multiply(above, matrixOf(node));
  if (node.mesh !== undefined) {
    for (const primitive of gltf.meshes[node.mesh].primitives) {
      const read = (accessor) => arrayOf(gltf, buffer, start, accessor);
      const positions = moved(read(primitive.attributes.POSITION), matrix, 1);
      const indices = primitive.indices === undefined ? null : read(primitive.indices);
      const normals = primitive.attributes.NORMAL;
      found.push({
        name: node.name ?? gltf.meshes[node.mesh].name ?? "",
        code: node.extras?.code ?? gltf.meshes[node.mesh].extras?.code ?? 0,
        positions,
        indices,
        normals: normals === undefined ? normalsOf(positions, indices) : moved(read(normals), matrix, 0),
      });
    }
  }
  for (const child of node.children ?? []) walk(gltf, buffer, start, gltf.nodes[child], matrix, found);
}

function arrayOf(gltf, buffer, start, number) {
  const accessor = gltf.accessors[number];
  const piece = gltf.bufferViews[accessor.bufferView];
  const from = start + (piece.byteOffset ?? 0) + (accessor.byteOffset ?? 0);
  const kind = ARRAYS[accessor.componentType];
  const parts = PARTS[accessor.type];
  const tight = kind.BYTES_PER_ELEMENT * parts;
  const stride = piece.byteStride ?? tight;
  const result = new kind(accessor.count * parts);
  const bytes = new Uint8Array(result.buffer);
  for (let i = 0; i < accessor.count; i += 1) {
    bytes.set(new Uint8Array(buffer, from + i * stride, tight), i * tight);
  }
  return result;
}

// Matrices are columns first, as in glTF and WebGL.
const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

function matrixOf({
  matrix,
  translation: t = [0, 0, 0],
  rotation: [x, y, z, w] = [0, 0, 0, 1],
  scale: s = [1, 1, 1],
}) {
  if (matrix) return matrix;
  return [
    s[0] * (1 - 2 * (y * y + z * z)), s[0] * 2 * (x * y + z * w), s[0] * 2 * (x * z - y * w), 0,
    s[1] * 2 * (x * y - z * w), s[1] * (1 - 2 * (x * x + z * z)), s[1] * 2 * (y * z + x * w), 0,
    s[2] * 2 * (x * z + y * w), s[2] * 2 * (y * z - x * w), s[2] * (1 - 2 * (x * x + y * y)), 0,
    t[0], t[1], t[2], 1,
  ];
}

export function multiply(a, b) {
  const product = new Array(16);
  for (let column = 0; column < 4; column += 1) {
    for (let row = 0; row < 4; row += 1) {
      product[4 * column + row] = [0, 1, 2, 3].reduce(
        (sum, k) => sum + a[4 * k + row] * b[4 * column + k],
        0,
      );
    }
  }
  return product;
}

function moved(points, matrix, w) {
  const result = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 3) {
    for (let row = 0; row < 3; row += 1) {
      result[i + row] =
        matrix[row] * points[i] +
        matrix[4 + row] * points[i + 1] +
        matrix[8 + row] * points[i + 2] +
        w * matrix[12 + row];
    }
  }
  return result;
}

// Without normals in the file: those of the triangles, weighted by area.
function normalsOf(positions, indices) {
  const normals = new Float32Array(positions.length);
  const count = indices ? indices.length : positions.length / 3;
  const at = (i) => 3 * (indices ? indices[i] : i);
  for (let i = 0; i < count; i += 3) {
    const [a, b, c] = [at(i), at(i + 1), at(i + 2)];
    const u = [0, 1, 2].map((k) => positions[b + k] - positions[a + k]);
    const v = [0, 1, 2].map((k) => positions[c + k] - positions[a + k]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k += 1) normals[corner + k] += n[k];
  }
  return normals;
}
