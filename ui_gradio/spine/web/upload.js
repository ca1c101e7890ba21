// Choosing and sending a CT: files, a folder, or either dropped on the page.

import { h } from "./dom.js";
import { duration, megabytes } from "./numbers.js";

// Left behind by file managers; nobody means to upload them.
const LITTER = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)$/i;

export class Upload {
  constructor(section, { api, maxMb, onRead, onProblem, say }) {
    this.api = api;
    this.maxMb = maxMb;
    this.onRead = onRead;
    this.onProblem = onProblem;
    this.say = say;
    this.drop = section.querySelector(".lb-drop");
    this.sending = section.querySelector(".sp-sending");
    this.abort = null;
    for (const input of section.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        const files = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
        input.value = ""; // the same file may be chosen again
        if (files.length) this.send(files);
      });
    }
    this.acceptDrops();
  }

  acceptDrops() {
    const over = (event, value) => {
      event.preventDefault();
      this.drop.dataset.over = value;
    };
    this.drop.addEventListener("dragover", (event) => over(event, true));
    this.drop.addEventListener("dragleave", (event) => over(event, false));
    this.drop.addEventListener("drop", async (event) => {
      over(event, false);
      const files = await droppedFiles(event.dataTransfer);
      if (files.length) this.send(files);
    });
    // Beside the field, a browser would open the file and leave the page.
    for (const kind of ["dragover", "drop"]) {
      document.addEventListener(kind, (event) => event.preventDefault());
    }
  }

  async send(given) {
    this.stop();
    const files = given.filter(({ path }) => !LITTER.test(path));
    const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
    const name = nameOf(files);
    if (!files.length || !bytes) {
      return this.onProblem(new Error(`${name || "What was dropped"} is empty. Choose the files of a CT.`));
    }
    if (bytes > this.maxMb * 1e6) {
      return this.onProblem(
        new Error(
          `${name} has ${megabytes(bytes / 1e6)}, but at most ${megabytes(this.maxMb)} are accepted. ` +
            "Choose one series, or a ZIP of it.",
        ),
      );
    }
    const abort = new AbortController();
    this.abort = abort;
    const bar = this.showSending(name, bytes, () => abort.abort());
    try {
      const answer = await this.api.upload(files, {
        signal: abort.signal,
        onProgress: (sent, all) => bar.update(sent, all),
      });
      if (this.abort === abort) this.onRead({ ...answer, name });
    } catch (error) {
      if (error.name === "AbortError") this.say("The upload was stopped.");
      else if (this.abort === abort) this.onProblem(error);
    } finally {
      if (this.abort === abort) this.hideSending();
    }
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.hideSending();
  }

  showSending(name, bytes, onStop) {
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sending ${name}` });
    const text = h("p", { class: "lb-hint" }, "Starting…");
    const started = performance.now();
    this.drop.hidden = true;
    this.sending.hidden = false;
    this.sending.replaceChildren(
      h(
        "div",
        { class: "sp-line" },
        h("strong", { class: "sp-name" }, `Sending ${name}`),
        h(
          "button",
          { type: "button", class: "lb-button", "data-do": "stop-upload", onclick: onStop },
          "Cancel",
        ),
      ),
      bar,
      text,
    );
    this.sending.querySelector("button").focus();
    this.say(`Sending ${name}, ${megabytes(bytes / 1e6)}.`);
    return {
      update: (sent, all) => {
        const share = all ? sent / all : 0;
        bar.value = share;
        if (share >= 1) {
          bar.removeAttribute("value");
          text.textContent = "All sent. Reading the headers…";
          return;
        }
        const passed = (performance.now() - started) / 1000;
        const left = share > 0.02 && passed > 1 ? `, ${duration((passed / share) * (1 - share))} left` : "";
        text.textContent = `${megabytes(sent / 1e6)} of ${megabytes(all / 1e6)}${left}`;
      },
    };
  }

  hideSending() {
    this.sending.hidden = true;
    this.drop.hidden = false;
  }
}

function nameOf(files) {
  if (files.length === 1) return files[0].file.name;
  const folder = files[0]?.path.split("/")[0];
  const isFolder = files.every(({ path }) => path.startsWith(`${folder}/`));
  return files.length ? `${isFolder ? folder : "the selection"} (${files.length} files)` : "";
}

// A dropped folder is walked; its files keep their paths.
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, path: entry.fullPath.replace(/^\//, "") });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // A reader gives at most a hundred entries at a time.
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}
