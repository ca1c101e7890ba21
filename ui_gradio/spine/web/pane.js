// One view: a slice with coloured labels, names, crosshair and scale; scrolls, picks, zooms.

import { h } from "./dom.js";
import { number } from "./numbers.js";
import { Slices, decodeLabels } from "./slices.js";

const TITLES = { sagittal: "Sagittal", coronal: "Coronal", axial: "Axial" };
const AHEAD = [1, 2, -1, 3, 4];
const DRAG_PX = 5; // screen pixels of a drag per slice
const SHORT_MM = 16; // from one cervical vertebra to the next
const PAPER = "#05080a";

export class Pane {
  // `look` is the state shared by all views; `run` says whose pictures are shown.
  constructor(plane, { geometry, look, api, run, vertebrae, palette, onEnlarge, onProblem }) {
    Object.assign(this, { plane, geometry, look, vertebrae, palette });
    this.title = TITLES[plane];
    this.direction = 1;
    this.slices = new Slices({
      address: (index) => api.slice(run.id, plane, index, look.get("window")),
      decode: (bitmap) => bitmap,
      onLoad: (index) => index === this.index && this.draw(),
      onProblem,
    });
    this.labels = new Slices({
      address: (index) => api.labels(run.id, plane, index, run.shift),
      decode: decodeLabels,
      onLoad: (index) => index === this.index && this.draw(),
      onProblem,
    });
    this.build(onEnlarge);
    this.listen();
    look.on(["position"], () => this.move());
    look.on(["window"], () => {
      this.slices.forget();
      this.fetch();
    });
    look.on(["style", "opacity", "selected", "zoom", "names"], () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  get index() {
    return this.geometry.sliceOf(this.look.get("position"));
  }

  build(onEnlarge) {
    this.picture = h("canvas", { tabindex: "0", role: "img", class: "sp-picture" });
    this.marks = h("canvas", { "aria-hidden": "true", class: "sp-marks" });
    this.stage = h("div", { class: "sp-stage" }, this.picture, this.marks);
    this.where = h("span", { class: "sp-where" });
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: this.geometry.count - 1,
      step: 1,
      "aria-label": `${this.title} slice`,
    });
    const enlarge = h(
      "button",
      {
        type: "button",
        class: "sp-enlarge",
        "aria-pressed": "false",
        "aria-label": `Enlarge the ${this.plane} view`,
        title: "Enlarge",
        onclick: () => onEnlarge(this.plane),
      },
      "⤢",
    );
    this.node = h(
      "figure",
      { class: "sp-pane", "data-plane": this.plane },
      h("figcaption", {}, h("b", {}, this.title), this.where, enlarge),
      this.stage,
      this.slider,
    );
  }

  listen() {
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.picture.addEventListener("keydown", (event) => this.key(event));
    this.listenToWheel();
    this.listenToPointer();
  }

  listenToWheel() {
    let rest = 0;
    this.stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 33 : 1;
        if (event.ctrlKey) return this.zoomBy(event.deltaY < 0 ? 1 : -1);
        rest += (event.deltaY * lines) / 50;
        const steps = Math.trunc(rest);
        rest -= steps;
        if (steps) this.show(this.index + steps);
      },
      { passive: false },
    );
  }

  // A press picks a point; a drag leafs through the slices (on a phone sideways, because up and
  // down scroll the page).
  listenToPointer() {
    let from = null;
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = { x: event.clientX, y: event.clientY, index: this.index, moved: false };
      this.stage.setPointerCapture(event.pointerId);
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      if (Math.hypot(x, y) > DRAG_PX) from.moved = true;
      if (!from.moved) return;
      const way = event.pointerType === "touch" || Math.abs(x) > Math.abs(y) ? x : y;
      this.show(from.index + Math.trunc(way / DRAG_PX));
    });
    this.stage.addEventListener("pointerup", (event) => {
      if (from && !from.moved) this.pick(event);
      from = null;
    });
    this.stage.addEventListener("pointercancel", () => (from = null));
  }

  key(event) {
    const steps = {
      ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -10, PageDown: 10,
      Home: -this.geometry.count, End: this.geometry.count,
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) this.show(this.index + steps[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1);
    else if (event.key === "-") this.zoomBy(-1);
    else return;
    event.preventDefault();
  }

  zoomBy(step) {
    const levels = [1, 1.5, 2, 3, 4];
    const at = levels.indexOf(this.look.get("zoom")) + step;
    this.look.set({ zoom: levels[Math.max(0, Math.min(levels.length - 1, at))] });
  }

  show(index) {
    const wanted = Math.max(0, Math.min(this.geometry.count - 1, index));
    if (wanted === this.index) return;
    this.direction = Math.sign(wanted - this.index);
    this.look.set({ position: this.geometry.inSlice(this.look.get("position"), wanted) });
  }

  pick(event) {
    const box = this.stage.getBoundingClientRect();
    const ratio = this.picture.width / box.width;
    const [column, row] = this.toImage((event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
    const { width, height } = this.geometry;
    if (column < -0.5 || row < -0.5 || column > width - 0.5 || row > height - 0.5) return;
    const code = this.codeNear(column, row, 6 / this.scale);
    const position = this.geometry.toMm([column, row, this.index]);
    this.look.set(code ? { position, selected: code, by: this.plane } : { position });
    this.picture.focus({ preventScroll: true });
  }

  // The label at a pixel; bodies alone leave gaps, so a near one counts as well.
  codeNear(column, row, reach) {
    const labels = this.labels.get(this.index);
    if (!labels) return 0;
    const at = (x, y) =>
      x >= 0 && y >= 0 && x < labels.width && y < labels.height ? labels.codes[y * labels.width + x] : 0;
    const [x, y] = [Math.round(column), Math.round(row)];
    for (let ring = 0; ring <= reach; ring += 1) {
      for (const [dx, dy] of [
        [0, 0],
        [ring, 0],
        [-ring, 0],
        [0, ring],
        [0, -ring],
      ]) {
        const code = at(x + dx, y + dy);
        if (code && this.vertebrae().some((vertebra) => vertebra.code === code)) return code;
      }
    }
    return 0;
  }

  move() {
    const { index } = this;
    if (index !== this.drawn) this.fetch();
    else this.look.get("zoom") > 1 ? this.draw() : this.drawMarks();
  }

  renamed() {
    this.labels.forget();
    this.fetch();
  }

  fetch() {
    if (!this.stage.offsetParent) return; // another view is shown; it is asked when its turn comes
    const { index, direction } = this;
    const near = AHEAD.map((step) => index + step * direction).filter(
      (at) => at >= 0 && at < this.geometry.count,
    );
    this.slices.want([index, ...near]);
    this.labels.want([index, ...near]);
    this.draw();
  }

  // Screen pixels per picture pixel, and where the picture begins. Zoomed in, the crosshair is
  // kept in the middle as far as the picture reaches.
  fit() {
    const { width, height } = this.geometry;
    const [wide, tall] = [this.picture.width, this.picture.height];
    const scale = Math.min(wide / width, tall / height) * this.look.get("zoom");
    const place = this.geometry.fromMm(this.look.get("position"));
    const begin = (screen, size, centre) => {
      const whole = size * scale;
      if (whole <= screen) return (screen - whole) / 2;
      return Math.min(0, Math.max(screen - whole, screen / 2 - (centre + 0.5) * scale));
    };
    this.scale = scale;
    this.left = begin(wide, width, place[0]);
    this.top = begin(tall, height, place[1]);
  }

  toImage(x, y) {
    return [(x - this.left) / this.scale - 0.5, (y - this.top) / this.scale - 0.5];
  }

  toScreen([column, row]) {
    return [(column + 0.5) * this.scale + this.left, (row + 0.5) * this.scale + this.top];
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const [wide, tall] = [this.stage.clientWidth, this.stage.clientHeight].map((side) =>
      Math.round(side * ratio),
    );
    if (!wide || !tall) return;
    for (const canvas of [this.picture, this.marks]) {
      if (canvas.width !== wide) canvas.width = wide;
      if (canvas.height !== tall) canvas.height = tall;
    }
    if (!this.slices.get(this.index) && !this.slices.asked.size) return this.fetch();
    this.fit();
    this.drawSlice();
    this.drawMarks();
  }

  drawSlice() {
    const slice = this.slices.get(this.index);
    if (!slice) return; // the last one stays until the next is here
    const context = this.picture.getContext("2d");
    const { width, height } = this.geometry;
    context.fillStyle = PAPER;
    context.fillRect(0, 0, this.picture.width, this.picture.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(slice, this.left, this.top, width * this.scale, height * this.scale);
    const labels = this.labels.get(this.index);
    if (labels && this.look.get("style") !== "off") this.drawLabels(context, labels);
    this.drawn = this.index;
    this.node.dataset.drawn = this.index;
    this.node.dataset.labelled = Boolean(labels);
  }

  // Colours each screen pixel by its label, so that outlines stay thin at any size.
  drawLabels(context, labels) {
    const [x0, y0] = [Math.max(0, Math.floor(this.left)), Math.max(0, Math.floor(this.top))];
    const x1 = Math.min(this.picture.width, Math.ceil(this.left + labels.width * this.scale));
    const y1 = Math.min(this.picture.height, Math.ceil(this.top + labels.height * this.scale));
    const [wide, tall] = [x1 - x0, y1 - y0];
    if (wide < 1 || tall < 1) return;
    const columns = new Int32Array(wide);
    for (let x = 0; x < wide; x += 1) {
      columns[x] = Math.min(labels.width - 1, Math.max(0, Math.floor((x + x0 - this.left) / this.scale)));
    }
    const codes = new Uint8Array(wide * tall);
    for (let y = 0; y < tall; y += 1) {
      const row = Math.min(labels.height - 1, Math.max(0, Math.floor((y + y0 - this.top) / this.scale)));
      for (let x = 0; x < wide; x += 1) codes[y * wide + x] = labels.codes[row * labels.width + columns[x]];
    }
    const layer = new ImageData(wide, tall);
    this.colour(layer.data, codes, wide);
    const sheet = (this.sheet ??= document.createElement("canvas"));
    sheet.width = wide;
    sheet.height = tall;
    sheet.getContext("2d").putImageData(layer, 0, 0);
    context.drawImage(sheet, x0, y0);
  }

  colour(pixels, codes, wide) {
    const [opacity, outline] = [this.look.get("opacity"), this.look.get("style") === "outline"];
    const selected = this.look.get("selected");
    const thick = Math.max(1, Math.round((window.devicePixelRatio || 1) * 1.25));
    const { palette } = this;
    for (let i = 0; i < codes.length; i += 1) {
      const code = codes[i];
      if (!code) continue;
      const chosen = code === selected;
      const width = chosen ? 2 * thick : thick;
      const edge =
        codes[i - width] !== code || codes[i + width] !== code ||
        codes[i - width * wide] !== code || codes[i + width * wide] !== code;
      const inside = outline ? (chosen ? 0.25 * opacity : 0) : opacity * (chosen ? 0.85 : 0.6);
      const alpha = edge ? (opacity ? Math.max(opacity, 0.5) : 0) : inside;
      const colour = edge && chosen ? [255, 255, 255] : palette(code);
      pixels[4 * i] = colour[0];
      pixels[4 * i + 1] = colour[1];
      pixels[4 * i + 2] = colour[2];
      pixels[4 * i + 3] = 255 * alpha;
    }
  }

  drawMarks() {
    this.fit();
    const context = this.marks.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    context.clearRect(0, 0, this.marks.width, this.marks.height);
    this.drawCrosshair(context, ratio);
    this.drawEdges(context, ratio);
    if (this.look.get("names") && this.look.get("style") !== "off") this.drawNames(context, ratio);
    this.tell();
  }

  drawCrosshair(context, ratio) {
    const [x, y] = this.toScreen(this.geometry.fromMm(this.look.get("position")));
    const gap = 9 * ratio;
    context.strokeStyle = "rgba(120, 210, 240, .75)";
    context.lineWidth = ratio;
    context.beginPath();
    for (const [a, b] of [
      [0, x - gap],
      [x + gap, this.marks.width],
    ]) {
      context.moveTo(a, y);
      context.lineTo(b, y);
    }
    for (const [a, b] of [
      [0, y - gap],
      [y + gap, this.marks.height],
    ]) {
      context.moveTo(x, a);
      context.lineTo(x, b);
    }
    context.stroke();
  }

  drawEdges(context, ratio) {
    const [wide, tall] = [this.marks.width, this.marks.height];
    const { edges = {} } = this.geometry;
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const far = 11 * ratio;
    written(context, edges.left, far, tall / 2, ratio);
    written(context, edges.right, wide - far, tall / 2, ratio);
    written(context, edges.top, wide / 2, far, ratio);
    written(context, edges.bottom, wide / 2, tall - far, ratio);
    this.drawScale(context, ratio);
  }

  drawScale(context, ratio) {
    const perMm = this.scale / this.geometry.mmPerPixel;
    const mm = [100, 50, 20, 10].find((length) => length * perMm < this.marks.width / 3) ?? 10;
    const [x, y] = [10 * ratio, this.marks.height - 10 * ratio];
    context.strokeStyle = "#e8f0f3";
    context.lineWidth = 2 * ratio;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + mm * perMm, y);
    context.stroke();
    context.textAlign = "left";
    context.font = `500 ${11 * ratio}px system-ui, sans-serif`;
    written(context, `${mm / 10} cm`, x, y - 9 * ratio, ratio);
    context.textAlign = "center";
  }

  // Names stand beside their vertebra, so that nothing of it is covered. Where they would cover
  // each other, the chosen one and the upper ones stay.
  drawNames(context, ratio) {
    const labels = this.labels.get(this.index);
    if (!labels) return;
    const selected = this.look.get("selected");
    const shown = this.vertebrae().filter(({ code }) => labels.boxes.has(code));
    shown.sort((one, other) => (other.code === selected) - (one.code === selected));
    const small = Math.max(8.5, Math.min(12, (SHORT_MM * this.scale) / this.geometry.mmPerPixel / ratio));
    const taken = [];
    for (const vertebra of shown) {
      const chosen = vertebra.code === selected;
      const size = (chosen ? 14 : small) * ratio;
      const [x, y] = this.placeOfName(vertebra, labels.boxes.get(vertebra.code), size);
      if (taken.some((other) => Math.abs(other - y) < size * 0.9)) continue;
      taken.push(y);
      context.font = `${chosen ? 700 : 600} ${size}px system-ui, sans-serif`;
      context.textAlign = this.plane === "axial" ? "center" : "right";
      written(context, vertebra.label, x, y, ratio);
    }
    context.textAlign = "center";
  }

  placeOfName({ center_mm: centre }, { left, right, top, bottom }, size) {
    if (this.plane === "axial") {
      const [x, y] = this.toScreen([(left + right) / 2, top]);
      return [x, Math.max(size, y - size)];
    }
    const [, row] = this.geometry.fromMm(Object.values(centre));
    const level = row >= top && row <= bottom ? row : (top + bottom) / 2;
    const [x, y] = this.toScreen([left - 0.5, level]);
    return [Math.max(x - size / 2, size * 2.4), y];
  }

  tell() {
    const { index, geometry } = this;
    const place = `${index + 1} of ${geometry.count}`;
    this.slider.value = index;
    this.slider.setAttribute("aria-valuetext", place);
    this.where.textContent = place;
    this.picture.setAttribute(
      "aria-label",
      `${this.title} view, slice ${place}. Arrow keys leaf through the slices, plus and minus zoom.`,
    );
    const [x, y, z] = this.look.get("position");
    this.where.title = `R ${number(x)}, A ${number(y)}, S ${number(z)} mm`;
  }
}

// Light text with a dark rim reads on bone, air and colour.
function written(context, text, x, y, ratio) {
  if (!text) return;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0, 0, 0, .8)";
  context.lineWidth = 3 * ratio;
  context.strokeText(text, x, y);
  context.fillStyle = "#ffffff";
  context.fillText(text, x, y);
}
