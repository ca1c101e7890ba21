// Three linked views and the 3-D one, with the tools that all of them obey.

import { h } from "./dom.js";
import { Geometry } from "./geometry.js";
import { Pane } from "./pane.js";
import { Solid } from "./solid.js";

const PLANES = ["sagittal", "coronal", "axial"];

export class Views {
  constructor({ tools, place }, { api, run, look, document_, onProblem }) {
    this.place = place;
    this.look = look;
    this.show(document_);
    const shared = {
      api,
      run,
      look,
      onProblem,
      vertebrae: () => this.vertebrae,
      palette: (code) => this.colours.get(code) ?? [200, 200, 200],
      onEnlarge: (plane) => this.enlarge(plane),
    };
    this.geometries = Object.fromEntries(
      PLANES.map((plane) => [plane, new Geometry(document_.views[plane])]),
    );
    this.panes = PLANES.map((plane) => new Pane(plane, { ...shared, geometry: this.geometries[plane] }));
    this.solid = new Solid(shared);
    tools.replaceChildren(...this.tools(document_));
    place.replaceChildren(...this.panes.map((pane) => pane.node), this.solid.node);
    for (const pane of this.panes) pane.fetch();
  }

  show(document_) {
    this.vertebrae = document_.vertebrae;
    this.colours = new Map(
      Object.entries(document_.palette).map(([code, hex]) => [Number(code), rgbOf(hex)]),
    );
  }

  // Other names for the same shapes.
  renamed(document_) {
    this.show(document_);
    for (const pane of this.panes) pane.renamed();
    this.solid.renamed();
  }

  enlarge(plane) {
    const large = this.place.dataset.large === plane ? "" : plane;
    this.place.dataset.large = large;
    for (const button of this.place.querySelectorAll(".sp-enlarge")) {
      const pressed = button.closest("[data-plane]").dataset.plane === large;
      button.setAttribute("aria-pressed", pressed);
    }
    for (const pane of this.panes) pane.fetch();
  }

  tools(document_) {
    const { look } = this;
    const windows = document_.windows.map(({ name, title, centre, width }) => ({
      value: name,
      text: title,
      hint: `Centre ${centre}, width ${width} HU`,
    }));
    const styles = [
      { value: "fill", text: "Filled" },
      { value: "outline", text: "Outlined" },
      { value: "off", text: "Hidden" },
    ];
    const shown = [...PLANES, "solid"].map((plane) => ({
      value: plane,
      text: { sagittal: "Sagittal", coronal: "Coronal", axial: "Axial", solid: "3-D" }[plane],
    }));
    return [
      choices("View", shown, "sagittal", (plane) => this.showOne(plane), "sp-which"),
      choices("Window", windows, look.get("window"), (window) => look.set({ window })),
      choices("Labels", styles, look.get("style"), (style) => look.set({ style })),
      this.opacity(),
      check("Names", look.get("names"), (names) => look.set({ names })),
      this.zoom(),
    ];
  }

  // On a phone one view is there at a time.
  showOne(plane) {
    this.place.dataset.shown = plane;
    for (const pane of this.panes) pane.fetch();
    this.solid.draw();
  }

  opacity() {
    const input = h("input", {
      type: "range", min: 0, max: 100, step: 5, value: 100 * this.look.get("opacity"), "aria-label": "Opacity of the labels in percent",
    });
    input.addEventListener("input", () => this.look.set({ opacity: input.value / 100 }));
    return h("label", { class: "sp-opacity" }, h("span", {}, "Opacity"), input);
  }

  zoom() {
    const out = h("output", {}, "1×");
    const by = (step) => this.panes[0].zoomBy(step);
    this.look.on(["zoom"], ({ zoom }) => (out.textContent = `${zoom}×`));
    return h(
      "div",
      { class: "sp-zoom", role: "group", "aria-label": "Zoom" },
      h("button", { type: "button", "aria-label": "Zoom out", onclick: () => by(-1) }, "−"),
      out,
      h("button", { type: "button", "aria-label": "Zoom in", onclick: () => by(1) }, "+"),
    );
  }
}

let groups = 0;

// Radio buttons that look like one control.
export function choices(title, options, chosen, onChange, class_ = "") {
  groups += 1;
  const name = `sp-choices-${groups}`;
  return h(
    "fieldset",
    { class: `sp-segments ${class_}`.trim(), "data-name": title.toLowerCase() },
    h("legend", {}, title),
    options.map(({ value, text, hint }) => {
      const input = h("input", { type: "radio", name, value, checked: value === chosen });
      input.addEventListener("change", () => onChange(value));
      return h("label", { title: hint }, input, h("span", {}, text));
    }),
  );
}

function check(title, checked, onChange) {
  const input = h("input", { type: "checkbox", checked });
  input.addEventListener("change", () => onChange(input.checked));
  return h("label", { class: "sp-check" }, input, h("span", {}, title));
}

function rgbOf(hex) {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
