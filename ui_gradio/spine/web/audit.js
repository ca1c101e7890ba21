// The numbering audit in words, other namings with their probabilities, and the ways to rename.

import { h } from "./dom.js";
import { percent } from "./numbers.js";

const VERDICTS = {
  trusted: ["✓", "Names trusted"],
  ambiguous: ["?", "Names not certain"],
  wrong: ["✗", "Names wrong"],
  incomplete: ["!", "List not complete"],
};
const FITTING = 0.9;
const AT_FIRST = 3;

/** Whether the names fit and some vertebrae were merely not found. */
function isIncomplete({ verdict, probability, issues }) {
  const errors = (issues ?? []).filter((one) => one.severity === "error");
  return (
    verdict === "wrong" && probability >= FITTING && errors.length > 0 && errors.every((one) => one.kind === "missing")
  );
}

export class Audit {
  constructor(place, { onShift }) {
    Object.assign(this, { place, onShift });
  }

  show(document_, name) {
    const { audit, vertebrae, shift } = document_;
    const [sign, words] = VERDICTS[isIncomplete(audit) ? "incomplete" : audit.verdict] ?? VERDICTS.ambiguous;
    const [lead, ...reasons] = audit.sentences;
    const fix = audit.correction?.sentence;
    const others = audit.alternatives.filter((one) => one.probability > 0.005);
    this.place.dataset.verdict = audit.verdict;
    this.place.replaceChildren(
      h(
        "div",
        { class: "sp-verdict" },
        h(
          "div",
          { class: "sp-line" },
          h("span", { class: "sp-stamp" }, h("span", { "aria-hidden": "true" }, sign), words),
          h("span", { class: "lb-hint sp-from" }, name),
        ),
        h("h2", {}, vertebrae.length ? lead : "No vertebra was found."),
        reasonsOf(
          sortedReasons(reasons, audit).filter(
            (sentence) => sentence !== fix && !others.some((one) => one.sentence === sentence),
          ),
        ),
        fix ? h("p", { class: "sp-fix" }, h("b", {}, "Proposed: "), fix.replace(/^Proposed: /, "")) : null,
      ),
      h(
        "div",
        { class: "sp-namings" },
        audit.verdict !== "trusted" && others.length > 1 ? this.namings(others, vertebrae) : null,
        vertebrae.length ? this.shifting(vertebrae, shift ?? 0) : null,
      ),
    );
  }

  namings(others, vertebrae) {
    return h(
      "div",
      { class: "sp-others" },
      h("h3", {}, "Possible namings"),
      h(
        "ol",
        {},
        others
          .slice(0, 4)
          .map((one) =>
            h(
              "li",
              {},
              h("b", {}, rangeOf(one, vertebrae)),
              h(
                "span",
                { class: "lb-track", "aria-hidden": "true" },
                h("i", { style: `width:${100 * one.probability}%` }),
              ),
              h("span", { class: "sp-probability" }, percent(one.probability)),
              one.shift
                ? h(
                    "button",
                    {
                      type: "button",
                      class: "lb-button",
                      "data-use": one.shift,
                      "aria-label": `Use the names ${rangeOf(one, vertebrae)}`,
                      onclick: () => this.onShift(one.shift),
                    },
                    "Use",
                  )
                : h("span"),
              one.shift === null ? h("span", { class: "lb-hint" }, withoutPercent(one.sentence)) : null,
            ),
          ),
      ),
    );
  }

  shifting(vertebrae, shift) {
    const button = (steps, way, sign) =>
      h(
        "button",
        {
          type: "button",
          class: "lb-button",
          "data-shift": steps,
          "aria-label": `All names ${way} by one`,
          onclick: () => this.onShift(steps),
        },
        `${sign} All ${way} by one`,
      );
    const moved = shift ? `You moved all names ${shift > 0 ? "down" : "up"} by ${Math.abs(shift)}. ` : "";
    return h(
      "div",
      { class: "sp-shift" },
      h("h3", {}, "Move the names"),
      h("div", { class: "lb-row" }, button(-1, "up", "▲"), button(1, "down", "▼")),
      h("p", { class: "lb-hint" }, `${moved}Table, views and downloads follow; the other button undoes it.`),
    );
  }
}

function rangeOf({ labels, shift }, vertebrae) {
  const names = labels.length ? labels : vertebrae.map(({ label }) => label);
  const range = names.length > 1 ? `${names[0]} to ${names.at(-1)}` : names[0];
  return shift === 0 ? `${range} (now)` : range;
}

// What speaks against the names comes first, then what landmarks say, then remarks.
function sortedReasons(sentences, { issues, anchors }) {
  const ranks = { error: 0, doubt: 1, note: 3 };
  const rankOf = (sentence) => {
    const issue = issues.find((one) => one.sentence === sentence);
    if (issue) return ranks[issue.severity];
    return anchors.some((one) => one.sentence === sentence) ? 2 : 1;
  };
  return [...sentences].sort((one, other) => rankOf(one) - rankOf(other));
}

const withoutPercent = (sentence) => sentence.replace(/^[<>]? ?\d+ %: /, "");

function reasonsOf(sentences) {
  if (!sentences.length) return null;
  const list = (some) =>
    h(
      "ul",
      {},
      some.map((sentence) => h("li", {}, sentence)),
    );
  if (sentences.length <= AT_FIRST + 1) return list(sentences);
  const rest = sentences.slice(AT_FIRST);
  return [
    list(sentences.slice(0, AT_FIRST)),
    h("details", {}, h("summary", {}, `${rest.length} more observations`), list(rest)),
  ].reduce((box, part) => (box.append(part), box), h("div", {}));
}
