// The vertebrae in 3-D: a mesh that can be turned, or a picture from the server without WebGL.

import { h } from "./dom.js";
import { readGlb } from "./glb.js";
import { Mesh } from "./mesh.js";
import { problemOf, reach } from "./problem.js";

const STEP_DEG = 30;

export class Solid {
  constructor({ api, run, look, vertebrae, palette, onEnlarge }) {
    Object.assign(this, { api, run, look, vertebrae, palette });
    this.azimuth = STEP_DEG;
    this.stage = h("div", { class: "sp-stage" }, h("p", { class: "sp-wait" }, "Building the surface…"));
    this.where = h("span", { class: "sp-where" });
    const enlarge = h(
      "button",
      {
        type: "button",
        class: "sp-enlarge",
        "aria-pressed": "false",
        "aria-label": "Enlarge the 3-D view",
        title: "Enlarge",
        onclick: () => onEnlarge("solid"),
      },
      "⤢",
    );
    const turn = (way, sign) =>
      h(
        "button",
        {
          type: "button",
          class: "sp-turn",
          "aria-label": `Turn ${way}`,
          title: `Turn ${way}`,
          "data-turn": way,
          onclick: () => this.turn(sign),
        },
        way === "left" ? "⟲" : "⟳",
      );
    this.node = h(
      "figure",
      { class: "sp-pane", "data-plane": "solid" },
      h("figcaption", {}, h("b", {}, "3-D"), this.where, enlarge),
      this.stage,
      h(
        "div",
        { class: "sp-turns" },
        turn("left", -1),
        h("span", {}, "Drag or use the arrow keys"),
        turn("right", 1),
      ),
    );
    this.hint = this.node.querySelector(".sp-turns span");
    look.on(["selected"], () => {
      this.tell();
      this.draw();
    });
    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.load();
  }

  async load() {
    const { shift } = this.run;
    try {
      if (!webgl()) return this.showPicture();
      const response = await reach(this.api.file(this.run.id, "vertebrae.glb", shift), {});
      if (!response.ok) throw await problemOf(response);
      const parts = readGlb(await response.arrayBuffer());
      if (shift === this.run.shift) this.showMesh(parts);
    } catch {
      this.showPicture();
    }
  }

  renamed() {
    this.tell();
    this.load();
  }

  showMesh(parts) {
    const before = this.mesh;
    const canvas = h("canvas", { tabindex: "0", role: "img", class: "sp-picture" });
    canvas.addEventListener("webglcontextlost", () => this.showPicture());
    this.stage.replaceChildren(canvas);
    for (const part of parts) part.colour = this.palette(part.code).map((value) => value / 255); // as in the slices
    this.mesh = new Mesh(canvas, parts);
    if (before) Object.assign(this.mesh, { turn: before.turn, tilt: before.tilt, near: before.near });
    before?.gl.getExtension("WEBGL_lose_context")?.loseContext();
    canvas.setAttribute(
      "aria-label",
      "Vertebrae in 3-D. Arrow keys turn, plus and minus zoom; a click selects.",
    );
    this.listen(canvas);
    this.node.dataset.kind = "mesh";
    this.draw();
  }

  showPicture() {
    this.mesh = null;
    this.node.dataset.kind = "picture";
    this.hint.textContent = "Drawn by the server";
    this.image = h("img", { class: "sp-picture", alt: "Vertebrae in 3-D, drawn by the server" });
    this.image.onerror = () =>
      this.stage.replaceChildren(h("p", { class: "sp-wait" }, "The 3-D picture could not be made."));
    const wait = h("p", { class: "sp-wait" }, "This browser shows no 3-D. The server draws a picture…");
    this.image.onload = () => wait.remove();
    this.stage.replaceChildren(wait, this.image);
    this.turn(0);
  }

  turn(sign) {
    if (this.mesh) {
      this.mesh.turn += (sign * STEP_DEG * Math.PI) / 180;
      return this.draw();
    }
    if (!this.image) return;
    this.azimuth = (this.azimuth + sign * STEP_DEG + 360) % 360;
    this.image.src = this.api.picture(this.run.id, this.azimuth, this.run.shift);
  }

  listen(canvas) {
    const { mesh } = this;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, turn: mesh.turn, tilt: mesh.tilt, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      if (Math.hypot(x, y) > 4) from.moved = true;
      if (from.moved)
        this.orbit(from.turn + x / 120, event.pointerType === "touch" ? mesh.tilt : from.tilt + y / 160);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (from && !from.moved) this.pick(event);
      from = null;
    });
    canvas.addEventListener("pointercancel", () => (from = null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener(
      "wheel",
      (event) => {
        // The page scrolls past unless the view was chosen.
        if (document.activeElement !== canvas && !event.ctrlKey) return;
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
      },
      { passive: false },
    );
  }

  key(event) {
    const { mesh } = this;
    const acts = {
      ArrowLeft: () => this.orbit(mesh.turn - 0.15, mesh.tilt),
      ArrowRight: () => this.orbit(mesh.turn + 0.15, mesh.tilt),
      ArrowUp: () => this.orbit(mesh.turn, mesh.tilt - 0.1),
      ArrowDown: () => this.orbit(mesh.turn, mesh.tilt + 0.1),
      "+": () => this.zoom(1.2),
      "=": () => this.zoom(1.2),
      "-": () => this.zoom(1 / 1.2),
    };
    if (!(event.key in acts) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  orbit(turn, tilt) {
    this.mesh.turn = turn;
    this.mesh.tilt = Math.max(-1.4, Math.min(1.4, tilt));
    this.draw();
  }

  zoom(factor) {
    this.mesh.near = Math.max(0.6, Math.min(8, this.mesh.near * factor));
    this.draw();
  }

  pick(event) {
    const { canvas } = this.mesh;
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    const part = this.mesh.partAt((event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
    const found = part && this.vertebrae().find(({ code }) => code === part.code);
    if (found) this.look.set({ selected: found.code, position: Object.values(found.center_mm), by: "solid" });
    canvas.focus({ preventScroll: true });
  }

  draw() {
    if (!this.mesh || !this.stage.clientWidth || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.mesh) return;
      this.mesh.selected = this.look.get("selected") ?? 0;
      this.mesh.draw();
    });
  }

  tell() {
    const chosen = this.vertebrae().find(({ code }) => code === this.look.get("selected"));
    this.where.textContent = chosen?.label ?? "";
  }
}

function webgl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}
