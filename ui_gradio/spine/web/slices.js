// Pictures of one view, fetched when they are wanted and a little ahead.

import { problemOf, reach } from "./problem.js";

const KEPT = 64;
const AT_ONCE = 3;

export class Slices {
  // `address(index)` names a picture, `decode(bitmap)` makes of it what is kept.
  constructor({ address, decode, onLoad, onProblem }) {
    Object.assign(this, { address, decode, onLoad, onProblem });
    this.kept = new Map();
    this.asked = new Set();
    this.wishes = [];
    this.epoch = 0;
  }

  get(index) {
    const found = this.kept.get(index);
    if (found) {
      this.kept.delete(index);
      this.kept.set(index, found); // the last used is the last to go
    }
    return found;
  }

  // What is wanted now, the most urgent first; older wishes are dropped.
  want(indices) {
    this.wishes = indices.filter((index) => !this.kept.has(index) && !this.asked.has(index));
    this.pump();
  }

  forget() {
    this.epoch += 1;
    this.kept.clear();
    this.asked.clear();
    this.wishes = [];
  }

  pump() {
    while (this.asked.size < AT_ONCE && this.wishes.length) this.fetch(this.wishes.shift());
  }

  async fetch(index) {
    const { epoch } = this;
    this.asked.add(index);
    try {
      const response = await reach(this.address(index), {});
      if (!response.ok) throw await problemOf(response);
      const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
      const bitmap = await createImageBitmap(await response.blob(), exact);
      if (epoch !== this.epoch) return;
      this.kept.set(index, this.decode(bitmap));
      while (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
      this.onLoad(index);
    } catch (error) {
      if (epoch === this.epoch) this.onProblem(error);
    } finally {
      if (epoch === this.epoch) {
        this.asked.delete(index);
        this.pump();
      }
    }
  }
}

// A label picture as codes: {width, height, codes, boxes: code -> {left, right, top, bottom}}
export function decodeLabels(bitmap) {
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const codes = new Uint8Array(width * height);
  const boxes = new Map();
  for (let i = 0; i < codes.length; i += 1) {
    const code = data[4 * i];
    if (!code) continue;
    codes[i] = code;
    const [x, y] = [i % width, Math.floor(i / width)];
    const box = boxes.get(code);
    if (!box) boxes.set(code, { left: x, right: x, top: y, bottom: y });
    else {
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.bottom = y;
    }
  }
  return { width, height, codes, boxes };
}
