// What was read, and how to go on: which backend, what it costs, and the start.

import { h } from "./dom.js";
import { factsOf } from "./facts.js";
import { about, megabytes } from "./numbers.js";

const BACKENDS = {
  embedded: {
    title: "Built in",
    text: "Our small network. Always here, and quick; its outlines are coarse.",
  },
  nnunet: {
    title: "TotalSegmentator's weights, our fast path",
    text: "Whole vertebrae with arches and processes. The same weights, run several times faster.",
  },
  totalsegmentator: {
    title: "TotalSegmentator itself",
    text: "Whole vertebrae, by the original program in a process of its own. For comparison.",
  },
};
const TASKS = {
  total_fast: "Fast, 3 mm",
  total: "Fine, 1.5 mm",
  vertebrae_pp: "Vertebrae++, 1.5 mm",
};

export class Choice {
  constructor(section, { api, onStart, onProblem, say }) {
    this.api = api;
    this.onStart = onStart;
    this.onProblem = onProblem;
    this.say = say;
    this.facts = section.querySelector(".sp-facts");
    this.form = section.querySelector(".sp-choice");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
  }

  // `read` is the answer to an upload; `source` what a run is started with.
  show({ input, forecasts, name, source }) {
    this.source = source;
    this.forecasts = forecasts;
    this.facts.replaceChildren(...factsOf(input, name));
    this.options = Object.keys(BACKENDS)
      .filter((backend) => forecasts[backend])
      .map((backend) => new Option(backend, forecasts[backend], this));
    this.button = h(
      "button",
      { type: "submit", class: "lb-button lb-primary", "data-do": "start" },
      "Find the vertebrae",
    );
    this.transitional = h("input", { type: "checkbox", checked: true, name: "transitional" });
    this.form.replaceChildren(
      h(
        "fieldset",
        { class: "sp-backends" },
        h("legend", {}, "Find the vertebrae with"),
        this.options.map((option) => option.node),
      ),
      h(
        "label",
        { class: "sp-check" },
        this.transitional,
        h("span", {}, "Expect one vertebra more or fewer than usual (11 or 13 thoracic, 4 or 6 lumbar)"),
      ),
      h("div", { class: "lb-row" }, this.button, h("span", { class: "lb-hint sp-cost" })),
    );
    const usable = this.options.filter((option) => option.usable);
    (usable.find((option) => option.backend === "nnunet") ?? usable[0])?.choose();
    this.update();
  }

  get chosen() {
    return this.options.find((option) => option.radio.checked);
  }

  update() {
    const { chosen } = this;
    this.button.disabled = !chosen?.usable;
    const cost = this.form.querySelector(".sp-cost");
    cost.textContent = chosen
      ? `${capital(costOf(chosen.forecast))} on this computer, as things are now.`
      : "None of them can run here now; each says why.";
  }

  busy(is) {
    this.button.disabled = is || !this.chosen?.usable;
  }

  start() {
    const { chosen } = this;
    if (!chosen?.usable) return;
    this.onStart({
      ...this.source,
      backend: chosen.backend,
      task: chosen.task,
      transitional: this.transitional.checked,
    });
  }
}

// One backend as a radio button with its tasks, its price, and why it is not ready.
class Option {
  constructor(backend, forecasts, choice) {
    this.backend = backend;
    this.choice = choice;
    const tasks = Object.keys(TASKS).filter((task) => forecasts[task]);
    this.byTask = tasks.length ? forecasts : { total_fast: forecasts };
    this.radio = h("input", { type: "radio", name: "backend", value: backend });
    this.radio.addEventListener("change", () => choice.update());
    this.select =
      tasks.length > 1
        ? h(
            "select",
            { "aria-label": `${BACKENDS[backend].title}: resolution` },
            tasks.map((task) => h("option", { value: task }, TASKS[task])),
          )
        : null;
    this.select?.addEventListener("change", () => {
      this.update();
      choice.update();
    });
    this.price = h("span", { class: "sp-price" });
    this.why = h("div", { class: "sp-why" });
    this.node = h(
      "div",
      { class: "sp-backend", "data-backend": backend },
      h(
        "label",
        {},
        this.radio,
        h(
          "span",
          { class: "sp-backend-text" },
          h("b", {}, BACKENDS[backend].title),
          h("span", {}, BACKENDS[backend].text),
        ),
        this.price,
      ),
      h("div", { class: "sp-more" }, this.select, this.why),
    );
    this.update();
  }

  get task() {
    return this.select?.value ?? Object.keys(this.byTask)[0];
  }

  get forecast() {
    return this.byTask[this.task];
  }

  get usable() {
    return this.forecast.ready && this.forecast.fits !== false;
  }

  choose() {
    this.radio.checked = true;
  }

  update() {
    const { forecast } = this;
    this.node.dataset.ready = this.usable;
    this.radio.disabled = !this.usable;
    if (!this.usable) this.radio.checked = false;
    const known = forecast.seconds !== null && forecast.seconds !== undefined;
    this.price.replaceChildren(
      ...(known
        ? [h("b", {}, capital(about(forecast.seconds))), h("span", {}, megabytes(forecast.memory_mb))]
        : []),
    );
    const lines = [];
    if (!forecast.ready) lines.push(h("p", {}, forecast.why ?? "This is not installed here."));
    else if (forecast.fits === false) {
      lines.push(
        h(
          "p",
          {},
          forecast.why ??
            `This needs ${megabytes(forecast.memory_mb)} of memory, which is not free now. Choose another, or try later.`,
        ),
      );
    }
    if (!forecast.ready && forecast.download?.length) lines.push(this.downloadButton(forecast));
    this.why.replaceChildren(...lines);
  }

  downloadButton(forecast) {
    return h(
      "button",
      {
        type: "button",
        class: "lb-button",
        "data-do": "download-model",
        onclick: () => this.download(forecast),
      },
      "Download model",
    );
  }

  // All models that are lacking, one after another.
  async download(forecast) {
    const abort = new AbortController();
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Progress of the download" });
    const text = h("p", {}, "Asking for the model…");
    const stop = h(
      "button",
      { type: "button", class: "lb-button", "data-do": "stop-download", onclick: () => abort.abort() },
      "Cancel",
    );
    this.why.replaceChildren(text, bar, stop);
    try {
      for (const name of forecast.download) await this.fetch(name, { bar, text, signal: abort.signal });
      forecast.ready = true;
      this.choice.say("The model is installed.");
      this.update();
      if (this.usable) this.choose();
      this.choice.update();
    } catch (error) {
      this.update();
      if (error.name !== "AbortError")
        this.why.prepend(h("p", { role: "alert", class: "sp-bad" }, error.message));
    }
  }

  async fetch(name, { bar, text, signal }) {
    let last = null;
    for await (const event of this.choice.api.download(name, signal)) {
      last = event;
      bar.value = event.progress ?? 0;
      text.textContent = event.total_mb
        ? `${megabytes(event.downloaded_mb)} of ${megabytes(event.total_mb)}`
        : event.text;
    }
    if (last?.status === "complete") return;
    throw new Error(
      last?.error?.message ??
        last?.text ??
        "The download stopped early. Try again: it goes on where it ended.",
    );
  }
}

function costOf({ seconds, memory_mb: memory }) {
  return `${about(seconds)}, ${megabytes(memory)} of memory`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
