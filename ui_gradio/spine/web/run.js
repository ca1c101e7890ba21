// A run while it works: the step in words, percent, time passed and left, and a way to stop it.

import { h } from "./dom.js";
import { duration } from "./numbers.js";

const STATES = { queued: "Waiting for a place", running: "Working" };

export class Run {
  constructor(section, { api, onDone, onProblem, onCancel, say }) {
    this.api = api;
    this.onDone = onDone;
    this.onProblem = onProblem;
    this.onCancel = onCancel;
    this.say = say;
    this.title = section.querySelector("h2");
    this.body = section.querySelector(".sp-progress");
    this.source = null;
    this.timer = null;
  }

  watch(id, what) {
    this.id = id;
    this.bar = h("progress", { max: 1, value: 0, "aria-label": "Progress of the detection" });
    this.percent = h("span", { class: "sp-percent" }, "0 %");
    this.step = h("p", { class: "sp-step" }, "Starting…");
    this.times = h("p", { class: "lb-hint" });
    this.body.replaceChildren(
      h("p", { class: "lb-hint" }, what),
      h("div", { class: "sp-line" }, this.step, this.percent),
      this.bar,
      h(
        "div",
        { class: "sp-line" },
        this.times,
        h(
          "button",
          { type: "button", class: "lb-button", "data-do": "cancel-run", onclick: () => this.cancel() },
          "Cancel",
        ),
      ),
    );
    this.latest = null;
    this.saidAt = 0;
    this.received = performance.now();
    this.timer = setInterval(() => this.tick(), 500);
    this.source = this.api.events(id);
    this.source.onmessage = (event) => this.take(JSON.parse(event.data));
    this.source.onerror = () => {
      // The browser connects again by itself unless the server has refused.
      if (this.source?.readyState === EventSource.CLOSED) this.ask();
    };
  }

  take(event) {
    this.latest = event;
    this.received = performance.now();
    if (event.state === "done") return this.finish(() => this.onDone(this.id));
    if (event.state === "cancelled") return this.finish(() => this.onCancel());
    if (event.state === "failed") {
      const message = event.error?.message ?? event.text ?? "The detection failed. Try again.";
      return this.finish(() => this.onProblem(new Error(message)));
    }
    const line = event.ahead ? `${event.ahead} before this one. ` : "";
    const words = line + (event.text || event.step || STATES[event.state]);
    this.title.textContent = STATES[event.state] ?? "Working";
    this.step.textContent = words;
    this.bar.value = event.progress ?? 0;
    this.percent.textContent = `${Math.round(100 * (event.progress ?? 0))} %`;
    this.tick();
    // A screen reader hears a step now and then, not each patch.
    if (performance.now() - this.saidAt > 8000) {
      this.saidAt = performance.now();
      this.say(`${words}, ${this.percent.textContent}`);
    }
  }

  // Between two events the clock goes on.
  tick() {
    if (!this.latest) return;
    const since = (performance.now() - this.received) / 1000;
    const passed = duration((this.latest.elapsed_s ?? 0) + since);
    const left = this.latest.remaining_s;
    this.times.textContent =
      left === null || left === undefined
        ? `${passed} so far`
        : `${passed} so far, about ${duration(Math.max(1, left - since))} left`;
  }

  // The stream was refused: the run may be over all the same.
  async ask() {
    try {
      await this.api.document(this.id);
      this.finish(() => this.onDone(this.id));
    } catch (error) {
      this.finish(() => this.onProblem(error));
    }
  }

  async cancel() {
    const { id } = this;
    this.finish(() => this.onCancel());
    await this.api.forget("runs", id);
  }

  finish(then) {
    this.stop();
    then();
  }

  stop() {
    clearInterval(this.timer);
    this.source?.close();
    this.source = null;
  }
}
