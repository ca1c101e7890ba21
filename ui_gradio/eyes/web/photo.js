// The photo tab: choose, drop, paste, take one with a phone, or try an example.

import { Coach, h, toDataUri } from "./dom.js";

const SIDES = { left: "Left eye", right: "Right eye", unknown: "Eye" };

export class Photo {
  constructor(panel, { api, answer, maxUploadMb, select }) {
    this.api = api;
    this.answer = answer;
    this.maxUploadMb = maxUploadMb;
    this.drop = panel.querySelector(".lb-drop");
    this.empty = panel.querySelector(".lb-drop-empty");
    this.view = panel.querySelector(".lb-photo-view");
    this.image = this.view.querySelector("img");
    this.boxes = this.view.querySelector(".lb-photo-boxes");
    this.coach = new Coach(panel.querySelector(".lb-coach"), { everyMs: 0 });
    this.abort = null;
    for (const input of panel.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        if (input.files[0]) this.check(input.files[0]);
        input.value = ""; // the same file may be chosen again
      });
    }
    for (const button of panel.querySelectorAll("[data-example]")) {
      button.addEventListener("click", () => this.tryExample(button));
    }
    this.acceptDrops();
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (!file) return;
      select();
      this.check(file);
    });
  }

  acceptDrops() {
    const over = (event, value) => {
      event.preventDefault();
      this.drop.dataset.over = value;
    };
    this.drop.addEventListener("dragover", (event) => over(event, true));
    this.drop.addEventListener("dragleave", (event) => over(event, false));
    this.drop.addEventListener("drop", (event) => {
      over(event, false);
      if (event.dataTransfer.files[0]) this.check(event.dataTransfer.files[0]);
    });
  }

  async tryExample(button) {
    const name = button.querySelector("span").textContent;
    const response = await fetch(button.querySelector("img").src);
    await this.check(await response.blob(), name);
  }

  async check(file, name = file.name || "pasted picture") {
    this.abort?.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.show(file, name);
    if (file.size > this.maxUploadMb * 1e6) {
      const size = (file.size / 1e6).toFixed(1);
      this.showView(false);
      return this.coach.sayNow(
        `This file has ${size} MB, but at most ${this.maxUploadMb} MB are accepted. Choose a smaller one.`,
        "bad",
      );
    }
    this.coach.sayNow(`Checking ${name}…`, "busy");
    try {
      const values = [await toDataUri(file), true];
      const result = await this.api.call("upload", values, {
        signal: abort.signal,
        onBusy: () => this.coach.sayNow("The server is busy. Waiting for a place…", "busy"),
      });
      if (this.abort !== abort) return;
      this.coach.sayNow(`Checked: ${name}.`);
      this.drawBoxes(result);
      this.answer.show(result, { name });
    } catch (error) {
      if (this.abort !== abort) return;
      this.showView(false);
      this.coach.sayNow("This picture could not be checked.", "bad");
      this.answer.showProblem(error);
    }
  }

  show(file, name) {
    URL.revokeObjectURL(this.image.src);
    this.boxes.replaceChildren();
    this.image.src = URL.createObjectURL(file);
    this.image.alt = `Your picture: ${name}`;
    this.image.onload = () => this.showView(this.image.naturalWidth > 0);
    this.image.onerror = () => this.showView(false); // TIFF and others that browsers do not show
  }

  showView(visible) {
    this.view.hidden = !visible;
    this.empty.hidden = visible;
  }

  drawBoxes(result) {
    const draw = () => {
      const { naturalWidth: width, naturalHeight: height } = this.image;
      if (!width || this.view.hidden) return;
      const percent = (value, whole) => `${((100 * value) / whole).toFixed(2)}%`;
      const boxes = [result.left_eye, result.right_eye]
        .filter((eye) => eye?.box)
        .map((eye) => ({ side: eye.side, box: clipped(eye.box, width, height) }))
        .sort((one, other) => one.box.x - other.box.x)
        .map(({ box, side }, index, all) =>
          h(
            "span",
            {
              class: index === 0 && all.length > 1 ? "lb-outward" : "",
              style: `left:${percent(box.x, width)};top:${percent(box.y, height)};width:${percent(box.w, width)};height:${percent(box.h, height)}`,
            },
            h("b", {}, SIDES[side] ?? "Eye"),
          ),
        );
      this.boxes.replaceChildren(...boxes);
    };
    if (this.image.complete) draw();
    else this.image.addEventListener("load", draw, { once: true });
  }
}

function clipped({ x, y, w, h: tall }, width, height) {
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  return { x: left, y: top, w: Math.min(width, x + w) - left, h: Math.min(height, y + tall) - top };
}
