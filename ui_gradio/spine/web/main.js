// Entry of the page: from an empty page over what was read and a run to its result.

import { showAbout } from "./about.js";
import { Api } from "./api.js";
import { Audit } from "./audit.js";
import { Choice } from "./choice.js";
import { fillCode } from "./code.js";
import { h } from "./dom.js";
import { showDownloads } from "./downloads.js";
import { showExamples } from "./examples.js";
import { Run } from "./run.js";
import { State } from "./state.js";
import { Table } from "./table.js";
import { Upload } from "./upload.js";
import { Views } from "./views.js";

const PHASES = ["start", "read", "run", "result"];
const LOOK = {
  position: [0, 0, 0],
  selected: null,
  by: null,
  window: "bone",
  style: "fill",
  opacity: 0.55,
  names: true,
  zoom: 1,
};

export function start(root) {
  if (root.dataset.started) return;
  root.dataset.started = "true";
  new Page(root).begin();
}

class Page {
  constructor(root) {
    this.root = root;
    this.config = JSON.parse(root.dataset.config);
    this.base = new URL("./", document.baseURI);
    this.api = new Api(this.base);
    this.sections = Object.fromEntries(PHASES.map((phase) => [phase, root.querySelector(`.sp-${phase}`)]));
    this.problem = root.querySelector(".sp-problem");
    this.told = root.querySelector(".sp-told");
    this.upload = null; // id of what waits to be started
    this.run = null; // {id, shift} of what runs or is shown
    this.name = "";
  }

  begin() {
    const { api, sections, root } = this;
    const onProblem = (error) => this.showProblem(error);
    const say = (text) => this.say(text);
    this.uploading = new Upload(sections.start, {
      api,
      maxMb: this.config.max_upload_mb,
      onRead: (read) => this.showRead(read),
      onProblem,
      say,
    });
    this.choice = new Choice(sections.read, { api, onStart: (order) => this.start(order), onProblem, say });
    this.watching = new Run(sections.run, {
      api,
      say,
      onDone: (id) => this.showResult(id),
      onProblem: (error) => this.goBack(error),
      onCancel: () => this.goBack(null),
    });
    this.audit = new Audit(sections.result.querySelector(".sp-audit"), {
      onShift: (steps) => this.shift(steps),
    });
    root
      .querySelector("[data-do=again]")
      .addEventListener("click", () => this.again("Choose another CT. The last one is forgotten."));
    root
      .querySelector("[data-do=forget]")
      .addEventListener("click", () => this.again("The CT and everything made from it is forgotten.", true));
    fillCode(root.querySelector(".lb-code-body"), {
      page: this.base.href,
      plain: new URL(this.config.plain, this.base),
    });
    showExamples(root.querySelector(".sp-examples"), {
      api,
      onRead: (read) => this.showRead(read),
      onProblem,
    });
    window.addEventListener("pagehide", (event) => event.persisted || this.forget());
    root.querySelector("#sp-main").inert = false;
  }

  say(text) {
    this.root.querySelector("#sp-said").textContent = text;
  }

  go(phase) {
    this.root.dataset.phase = phase;
    for (const [name, section] of Object.entries(this.sections)) section.hidden = name !== phase;
    this.root.querySelector(".sp-intro").hidden = phase === "result";
    this.root.querySelector(".sp-away").hidden = phase === "start" || phase === "run";
    this.problem.hidden = true;
    this.told.textContent = "";
    if (phase !== "start") {
      this.sections[phase].focus({ preventScroll: true });
      window.scrollTo({ top: 0 });
    }
  }

  showProblem(error) {
    this.problem.replaceChildren(h("p", {}, error.message));
    this.problem.hidden = false;
    const { top, bottom } = this.problem.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight) this.problem.scrollIntoView({ block: "center" });
  }

  showRead(read) {
    this.forgetUpload();
    this.upload = read.upload ?? null;
    this.name = read.name;
    this.choice.show({ ...read, source: read.source ?? { upload: read.upload } });
    this.go("read");
    this.say(`${read.name} was read.`);
  }

  async start(order) {
    this.problem.hidden = true;
    this.choice.busy(true);
    try {
      const { run } = await this.api.start(order);
      this.upload = null; // it belongs to the run now
      this.run = { id: run, shift: 0 };
      this.go("run");
      this.watching.watch(run, this.name);
    } catch (error) {
      this.showProblem(error);
    } finally {
      this.choice.busy(false);
    }
  }

  // A run that failed or was stopped has used up its upload.
  goBack(error) {
    this.run = null;
    this.go("start");
    if (error) this.showProblem(error);
    else {
      this.told.textContent = "Stopped. Nothing of it was kept.";
      this.say(this.told.textContent);
    }
    this.root.querySelector("#sp-main").focus({ preventScroll: true });
  }

  async showResult(id) {
    try {
      const document_ = await this.api.document(id);
      this.run.shift = document_.shift ?? 0;
      this.go("result");
      this.draw(document_);
      this.say(`${document_.vertebrae.length} vertebrae. ${document_.audit.sentences[0]}`);
    } catch (error) {
      this.goBack(error);
    }
  }

  draw(document_) {
    const { api, run } = this;
    const result = this.sections.result;
    const find = (name) => result.querySelector(`.sp-${name}`);
    const middle = document_.vertebrae[Math.floor(document_.vertebrae.length / 2)];
    this.look = new State({
      ...LOOK,
      position: middle ? Object.values(middle.center_mm) : middleOf(document_.views.axial),
    });
    const shown = { api, run, look: this.look, document_, onProblem: (error) => this.showProblem(error) };
    this.views = new Views({ tools: find("tools"), place: find("views") }, shown);
    this.table = new Table(find("list"), {
      look: this.look,
      onChoose: ({ code, center_mm: centre }) =>
        this.look.set({ selected: code, position: Object.values(centre), by: "table" }),
    });
    this.look.on(["selected"], ({ selected }) => this.sayChosen(selected));
    this.fill(document_);
  }

  // Everything in words and links; the views keep their place when names change.
  fill(document_) {
    this.document = document_;
    const result = this.sections.result;
    this.audit.show(document_, this.name);
    this.table.show(document_);
    showDownloads(result.querySelector(".sp-downloads"), document_, this);
    showAbout(result.querySelector(".sp-about"), document_, this.name);
  }

  sayChosen(code) {
    const chosen = this.document.vertebrae.find((vertebra) => vertebra.code === code);
    if (chosen) this.say(`${chosen.label} chosen.`);
  }

  async shift(steps) {
    if (this.shifting) return;
    this.shifting = true;
    this.problem.hidden = true;
    const at = this.document.vertebrae.findIndex(({ code }) => code === this.look.get("selected"));
    try {
      const document_ = await this.api.shift(this.run.id, steps);
      this.run.shift = document_.shift ?? this.run.shift + steps;
      this.fill(document_);
      this.look.set({ selected: document_.vertebrae[at]?.code ?? null });
      this.views.renamed(document_);
      const names = document_.vertebrae.map(({ label }) => label);
      this.say(`Names moved: now ${names[0]} to ${names.at(-1)}.`);
      this.root.querySelector(`[data-shift="${Math.sign(steps)}"]`)?.focus({ preventScroll: true });
    } catch (error) {
      this.showProblem(error);
    } finally {
      this.shifting = false;
    }
  }

  again(text, show = false) {
    this.forget();
    this.go("start");
    this.say(text);
    this.told.textContent = show ? text : "";
    this.root.querySelector("#sp-main").focus({ preventScroll: true });
  }

  forgetUpload() {
    if (this.upload) this.api.forget("uploads", this.upload);
    this.upload = null;
  }

  forget() {
    this.uploading.stop();
    this.watching.stop();
    this.forgetUpload();
    if (this.run) this.api.forget("runs", this.run.id);
    this.run = null;
  }
}

function middleOf({
  origin_mm: origin,
  right_mm: right,
  down_mm: down,
  next_mm: next,
  width,
  height,
  count,
}) {
  return origin.map(
    (value, axis) => value + (right[axis] * width + down[axis] * height + next[axis] * count) / 2,
  );
}
