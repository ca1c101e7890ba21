// The vertebrae as a table: one is chosen by click, or with the arrow keys.

import { h } from "./dom.js";
import { number, percent } from "./numbers.js";

// What flags mean, for people.
const FLAGS = {
  truncated: "cut by the border of the scan",
  process_cut: "a process is cut by the border; the body is whole",
  two_parts: "in two parts",
  merged: "covers two levels",
  split: "part of one level",
  unusual_size: "unusual size",
  low: "lower than its neighbours",
};

export class Table {
  constructor(place, { look, onChoose }) {
    this.place = place;
    this.look = look;
    this.onChoose = onChoose;
    look.on(["selected"], () => this.mark(true));
  }

  show({ vertebrae, palette, confidence_meaning: meaning }) {
    this.vertebrae = vertebrae;
    const head = ["Name", "Centre mm", "Height mm", "Volume ml", "Mean HU", "Confidence"];
    const titles = {
      1: "Right (+) or left, front (+) or back, up (+) or down, of the scanner's zero point (RAS+)",
    };
    this.bodies = vertebrae.map((vertebra) => this.row(vertebra, palette[vertebra.code] ?? "#bbb"));
    this.place.replaceChildren(
      h(
        "div",
        { class: "sp-line" },
        h("h2", {}, `${vertebrae.length} vertebrae`),
        h("span", { class: "lb-hint" }, "From the head down"),
      ),
      h(
        "div",
        { class: "sp-scroll" },
        h(
          "table",
          { class: "sp-table" },
          h(
            "caption",
            { class: "sp-unseen" },
            "Vertebrae from the head down. Arrow keys choose one; the views follow.",
          ),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              head.map((text, i) => h("th", { scope: "col", title: titles[i], class: i ? "num" : "" }, text)),
            ),
          ),
          this.bodies,
        ),
      ),
      h("details", {}, h("summary", {}, "What confidence means"), h("p", { class: "lb-hint" }, meaning)),
    );
    this.mark(false);
  }

  row(vertebra, colour) {
    const { x, y, z } = vertebra.center_mm;
    const choose = () => this.onChoose(vertebra);
    const button = h(
      "button",
      { type: "button", class: "sp-level", tabindex: "-1", "aria-pressed": "false" },
      h("i", { style: `background:${colour}`, "aria-hidden": "true" }),
      vertebra.label,
    );
    button.addEventListener("keydown", (event) => this.move(event, vertebra));
    const low = vertebra.confidence < 0.7;
    const flags = flagsOf(vertebra);
    const body = h(
      "tbody",
      { "data-code": vertebra.code, "data-label": vertebra.label },
      h(
        "tr",
        {},
        h("th", { scope: "row" }, button),
        h(
          "td",
          { class: "num sp-centre" },
          [x, y, z].map((value) => h("span", {}, number(value))),
        ),
        h("td", { class: "num" }, number(vertebra.height_mm, 1)),
        h("td", { class: "num" }, number(vertebra.volume_ml, 1)),
        h("td", { class: "num" }, number(vertebra.mean_hu)),
        h("td", { class: low ? "num sp-low" : "num" }, percent(vertebra.confidence)),
      ),
      flags ? h("tr", { class: "sp-flags" }, h("td", { colspan: "6" }, flags)) : null,
    );
    if (!flags) body.querySelector("tr").classList.add("sp-plain");
    body.addEventListener("click", choose);
    return body;
  }

  move(event, vertebra) {
    const at = this.vertebrae.indexOf(vertebra);
    const last = this.vertebrae.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.onChoose(this.vertebrae[Math.max(0, Math.min(last, to))]);
    this.place.querySelector("[aria-pressed=true]")?.focus();
  }

  // One row is in the tab order: the chosen one, else the first.
  mark(scroll) {
    const selected = this.look.get("selected");
    this.bodies?.forEach((body, i) => {
      const chosen = Number(body.dataset.code) === selected;
      body.classList.toggle("sp-chosen", chosen);
      const button = body.querySelector("button");
      button.setAttribute("aria-pressed", chosen);
      button.tabIndex = chosen || (!selected && i === 0) ? 0 : -1;
      if (chosen && scroll) keepInSight(body, this.place.querySelector(".sp-scroll"));
    });
  }
}

// Scrolls the list, never the page.
function keepInSight(body, box) {
  const [row, frame] = [body.getBoundingClientRect(), box.getBoundingClientRect()];
  if (row.top < frame.top + 40) box.scrollTop -= frame.top + 40 - row.top;
  else if (row.bottom > frame.bottom) box.scrollTop += row.bottom - frame.bottom;
}

function flagsOf({ flags, truncated }) {
  const all =
    truncated && !flags.some((flag) => flag === "truncated" || flag === "process_cut")
      ? ["truncated", ...flags]
      : flags;
  if (!all.length) return null;
  return `! ${all.map((flag) => FLAGS[flag] ?? flag.replaceAll("_", " ")).join("; ")}`;
}
