// How the result was made: what was read, with what, how long it took, and remarks.

import { factsOf } from "./facts.js";
import { h } from "./dom.js";
import { number } from "./numbers.js";

export function showAbout(place, document_, name) {
  const { model, timings_ms: timings, processing_time_ms: whole, notes } = document_;
  const steps = Object.entries(timings ?? {}).filter(([, ms]) => ms >= 50);
  const told = steps.map(([step, ms]) => `${step.replaceAll("_", " ")} ${number(ms / 1000, 1)} s`).join(", ");
  place.replaceChildren(
    h("h2", {}, "How it was made"),
    h("p", {}, `${model}. Took ${number(whole / 1000, 1)} s${told ? `: ${told}` : ""}.`),
    ...(notes ?? []).map((note) => h("p", { class: "lb-hint" }, note)),
    h(
      "details",
      {},
      h("summary", {}, "What was read"),
      h("div", { class: "sp-facts" }, factsOf(document_.input, name)),
    ),
  );
}
