// Entry of the eye check's page: tabs, and the parts that know one job each.

import { Answer } from "./answer.js";
import { Api } from "./api.js";
import { Camera } from "./camera.js";
import { fillCode } from "./code.js";
import { Photo } from "./photo.js";

export function start(root) {
  if (root.dataset.started) return;
  root.dataset.started = "true";
  const config = JSON.parse(root.dataset.config);
  const page = new URL("./", document.baseURI);
  const api = new Api(page);
  const answer = new Answer(root.querySelector("#lb-answer"), { notice: config.notice });
  const camera = new Camera(root.querySelector("#lb-webcam"), { api, answer });
  const tabs = new Tabs(root.querySelector("[role=tablist]"), {
    onSelect: (name) => name !== "lb-tab-webcam" && camera.stop("The camera is off."),
  });
  new Photo(root.querySelector("#lb-photo"), {
    api,
    answer,
    maxUploadMb: config.max_upload_mb,
    select: () => tabs.select("lb-tab-photo"),
  });
  fillCode(root.querySelector(".lb-code-body"), {
    page: page.href,
    plain: new URL(config.plain, page),
  });
  root.querySelector(".lb-columns").inert = false;
}

// Tabs as the ARIA practices describe them: one in the focus order, arrows move.
class Tabs {
  constructor(list, { onSelect }) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    this.onSelect = onSelect;
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.select(tab.id));
      tab.addEventListener("keydown", (event) => this.move(event, tab));
    }
  }

  select(id) {
    for (const tab of this.tabs) {
      const chosen = tab.id === id;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
    }
    this.onSelect(id);
  }

  move(event, tab) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -this.tabs.length, End: this.tabs.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const last = this.tabs.length - 1;
    let place = this.tabs.indexOf(tab) + steps[event.key];
    if (event.key.startsWith("Arrow")) place = (place + this.tabs.length) % this.tabs.length;
    const next = this.tabs[Math.max(0, Math.min(last, place))];
    next.focus();
    this.select(next.id);
  }
}
