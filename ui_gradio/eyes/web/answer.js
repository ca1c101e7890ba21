// The result: one card per eye, the JSON behind it, and two downloads that never leave the page.

import { h, saveAs } from "./dom.js";

const CHIPS = {
  likely: ["✓", "Clear result"],
  uncertain: ["?", "Not clear"],
  retake: ["↻", "Take another picture"],
  not_an_eye: ["–", "No eye to judge"],
};
const SIDES = { left: "Left eye", right: "Right eye", unknown: "Eye (side unknown)", none: "Picture" };
const VERDICTS = {
  supported: "Heat map supported",
  weak: "Heat map weak",
  "not shown": "No heat map",
};

export class Answer {
  constructor(section, { notice }) {
    this.section = section;
    this.notice = notice; // stands on the page already
    this.body = section.querySelector(".lb-answer-body");
    this.opacity = 0.5;
  }

  show(result, { name }) {
    const { report, ...document_ } = result;
    // As on a clinician's chart: the person's right eye stands on the left.
    const eyes = [document_.right_eye, document_.left_eye];
    const closeUp = document_.scene === "close_up";
    const cards = closeUp ? eyes.filter((eye) => eye.side === "unknown" || eye.box) : eyes;
    const nothing = document_.scene === "nothing";
    this.body.replaceChildren(
      h("p", { class: "lb-summary" }, summaryOf(document_, name)),
      nothing
        ? h("div", { class: cardsClass(1) }, this.card(noEye(document_)))
        : h("div", { class: cardsClass(cards.length) }, cards.map((eye) => this.card(eye))),
      this.after(document_, report),
    );
    this.come();
  }

  showProblem(error) {
    this.body.replaceChildren(
      h("div", { class: "lb-error", role: "alert" }, h("h3", {}, "Not checked"), h("p", {}, withoutField(error.message))),
    );
    this.come();
  }

  // Bring the result into view and to the keyboard.
  come() {
    this.section.focus({ preventScroll: true });
    const { top } = this.section.getBoundingClientRect();
    if (top < 0 || top > window.innerHeight * 0.6) this.section.scrollIntoView({ block: "start" });
  }

  card(eye) {
    const [sign, words] = CHIPS[eye.decision] ?? CHIPS.not_an_eye;
    return h(
      "article",
      { class: "lb-card", "aria-label": SIDES[eye.side] ?? "Eye", "data-side": eye.side },
      h(
        "div",
        { class: "lb-card-head" },
        h("h3", {}, SIDES[eye.side] ?? "Eye"),
        h(
          "span",
          { class: "lb-chip", "data-decision": eye.decision },
          h("span", { "aria-hidden": "true" }, sign),
          words,
        ),
      ),
      h("p", { class: "lb-headline" }, eye.title),
      h(
        "div",
        { class: eye.image_preview ? "lb-card-body" : "lb-card-body lb-no-figure" },
        eye.image_preview ? this.figure(eye) : null,
        h(
          "div",
          { class: "lb-card-text" },
          h("p", {}, eye.explanation),
          eye.average_scores ? scoresOf(eye) : null,
          reasonsOf(eye),
          eye.next_steps?.length ? listBox("What to do next", eye.next_steps) : null,
          eye.quality ? qualityOf(eye) : null,
        ),
      ),
    );
  }

  figure(eye) {
    const side = SIDES[eye.side] ?? "Eye";
    const layer = eye.heat_map?.layer;
    const verdict = VERDICTS[eye.heat_map?.verdict] ?? VERDICTS["not shown"];
    const frame = h(
      "figure",
      { class: "lb-figure", style: `--lb-opacity:${this.opacity}` },
      h("img", { src: eye.image_preview, alt: `${side}, the part of the picture that was judged` }),
      layer ? h("img", { class: "lb-heat", src: layer, alt: "" }) : null,
    );
    return h(
      "div",
      {},
      frame,
      layer ? this.slider(frame, side) : null,
      eye.heat_map ? h("p", { class: "lb-note" }, `${verdict}: ${eye.heat_map.reason}`) : null,
    );
  }

  slider(frame, side) {
    const percent = Math.round(this.opacity * 100);
    const output = h("output", { "aria-hidden": "true" }, `${percent} %`);
    const input = h("input", {
      type: "range",
      min: 0,
      max: 100,
      step: 5,
      value: percent,
      "aria-label": `Heat map over the ${side.toLowerCase()}, opacity in percent`,
    });
    input.addEventListener("input", () => {
      this.opacity = input.value / 100;
      frame.style.setProperty("--lb-opacity", this.opacity);
      output.textContent = `${input.value} %`;
    });
    return h("label", { class: "lb-slider" }, h("span", {}, "Heat map"), input, output);
  }

  after(document_, report) {
    const text = JSON.stringify(document_, null, 2);
    const stamp = new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-");
    return h(
      "div",
      { class: "lb-after" },
      h(
        "div",
        { class: "lb-row" },
        report
          ? h(
              "button",
              {
                type: "button",
                class: "lb-button",
                "data-do": "report",
                onclick: () => saveAs(`eye-check-${stamp}.html`, "text/html", report),
              },
              "Download report",
            )
          : null,
        h(
          "button",
          {
            type: "button",
            class: "lb-button",
            "data-do": "json",
            onclick: () => saveAs(`eye-check-${stamp}.json`, "application/json", text),
          },
          "Download JSON",
        ),
      ),
      h(
        "details",
        {},
        h("summary", {}, "JSON"),
        h("pre", { class: "lb-json", tabindex: "0", "aria-label": "Result as JSON" }, shortened(document_)),
      ),
      h("p", { class: "lb-note" }, modelLine(document_, this.notice)),
    );
  }
}

// One card for a picture without eyes, instead of two that say the same.
function noEye({ left_eye: eye, reasons }) {
  const [explanation = eye.explanation, ...more] = reasons;
  return { ...eye, side: "none", title: "No eye in view", explanation, reasons: more };
}

function cardsClass(count) {
  return count === 1 ? "lb-cards lb-one" : "lb-cards";
}

function summaryOf(document_, name) {
  const where = {
    face: "A face was found.",
    close_up: "A close-up of one eye; which one, the picture does not tell.",
    nothing: "No eye was found.",
  }[document_.scene];
  const from = name === "webcam" ? "From the webcam." : `From “${name}”.`;
  return [from, where].filter(Boolean).join(" ");
}

function scoresOf(eye) {
  const rows = Object.entries(eye.average_scores).sort((a, b) => b[1] - a[1]);
  return h(
    "div",
    { class: "lb-scores", role: "list", "aria-label": "Calibrated scores" },
    rows.map(([label, percent]) =>
      h(
        "div",
        { class: label === eye.best_prediction ? "lb-score top" : "lb-score", role: "listitem" },
        h("b", {}, label, eye.experimental?.includes(label) ? h("em", {}, "experimental") : null),
        h("span", { class: "lb-percent" }, `${percent.toFixed(1)} %`),
        h("span", { class: "lb-track", "aria-hidden": "true" }, h("i", { style: `width:${percent}%` })),
      ),
    ),
    setOf(eye),
  );
}

function setOf(eye) {
  const set = eye.prediction_set ?? [];
  if (!set.length || !eye.coverage) return null;
  const percent = Math.round(eye.coverage * 100);
  return h(
    "p",
    { class: "lb-note" },
    `Still possible at ${percent} % coverage: ${set.join(", ")}.`,
  );
}

function reasonsOf(eye) {
  if (!eye.reasons?.length || (eye.reasons.length === 1 && eye.reasons[0] === eye.explanation)) return null;
  const title = eye.decision === "likely" ? "What speaks for it" : "Why there is no clear answer";
  return listBox(title, eye.reasons);
}

function listBox(title, lines) {
  const body = lines.length === 1 ? h("p", {}, lines[0]) : h("ul", {}, lines.map((line) => h("li", {}, line)));
  return h("div", { class: "lb-box" }, h("h4", {}, title), body);
}

function qualityOf(eye) {
  const measures = eye.quality.measures ?? [];
  const failed = measures.filter((measure) => !measure.passed).length;
  const said = failed ? `${failed} of ${measures.length} outside the limits` : "all within the limits";
  return h(
    "details",
    {},
    h("summary", {}, `Picture quality: ${said}`),
    h(
      "table",
      { class: "lb-quality" },
      h(
        "thead",
        {},
        h("tr", {}, h("th", { scope: "col" }, "Measure"), h("th", { scope: "col", class: "num" }, "Value"), h("th", { scope: "col", class: "num" }, "Limits"), h("td", {})),
      ),
      h("tbody", {}, measures.flatMap(measureRows)),
    ),
    framesLine(eye),
  );
}

function measureRows(measure) {
  const row = h(
    "tr",
    {},
    h("th", { scope: "row" }, measure.title ?? measure.name),
    h("td", { class: "num" }, `${numberText(measure.value)} ${measure.unit}`),
    h("td", { class: "num" }, limitsText(measure)),
    h("td", { class: measure.passed ? "ok" : "ok bad" }, measure.passed ? "✓ ok" : "✗ outside"),
  );
  if (measure.passed || !measure.advice) return [row];
  return [row, h("tr", {}, h("td", { class: "advice", colspan: "4" }, measure.advice))];
}

function limitsText({ minimum, maximum }) {
  if (minimum !== null && maximum !== null) return `${numberText(minimum)}–${numberText(maximum)}`;
  if (minimum !== null) return `≥ ${numberText(minimum)}`;
  if (maximum !== null) return `≤ ${numberText(maximum)}`;
  return "–";
}

function numberText(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 2 });
}

function framesLine({ frames_used: used, frames_rejected: rejected }) {
  if (!(used > 1) && !rejected) return null;
  return h("p", { class: "lb-note" }, `${used} frames averaged, ${rejected} not good enough.`);
}

function modelLine({ model, timings_ms: timings, notice }, known) {
  const ms = Object.values(timings ?? {}).reduce((sum, value) => sum + (value ?? 0), 0);
  const more = (notice ?? "").replace(known, "").trim();
  return [model ? `${model}.` : "", ms ? `Took ${numberText(Math.round(ms))} ms.` : "", more]
    .filter(Boolean)
    .join(" ");
}

// Previews would fill the page: in the view (not in the download) they are cut.
function shortened(document_) {
  return JSON.stringify(
    document_,
    (_, value) =>
      typeof value === "string" && value.startsWith("data:")
        ? `${value.slice(0, 40)}… (${value.length} characters)`
        : value,
    2,
  );
}

// Programs are told which field was wrong; a person has sent only one thing.
function withoutField(message) {
  return message.replace(/^(image|frame): /, "");
}
