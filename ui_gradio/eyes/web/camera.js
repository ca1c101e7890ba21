// The webcam tab: one frame on its way at a time, so that nothing can pile up.

import { Coach, h, toDataUri } from "./dom.js";

const FRAME_WIDTH = 640; // enough for both eyes of a face that fills half of the picture
const MOST_PER_S = 15;
const SETTLE_MS = 800; // cameras set their exposure first
const OFFER_FINISH_S = 15;
const SIDES = { left: "Left eye", right: "Right eye" };

const REFUSALS = {
  NotAllowedError: "The browser may not use the camera. Allow it beside the address, then start again.",
  NotFoundError: "No camera was found. Connect one, or use the Photo tab.",
  NotReadableError: "Another program is using the camera. Close it, then start again.",
  OverconstrainedError: "This camera cannot be used. Try the other one.",
};

export class Camera {
  constructor(panel, { api, answer }) {
    this.api = api;
    this.answer = answer;
    this.stage = panel.querySelector(".lb-stage");
    this.video = panel.querySelector("video");
    this.overlay = panel.querySelector("canvas");
    this.coach = new Coach(panel.querySelector(".lb-coach"));
    this.meters = Object.fromEntries(
      [...panel.querySelectorAll(".lb-meter")].map((meter) => [meter.dataset.side, meter]),
    );
    this.rate = panel.querySelector(".lb-rate");
    this.buttons = Object.fromEntries(
      [...panel.querySelectorAll("[data-do]")].map((button) => [button.dataset.do, button]),
    );
    this.grab = document.createElement("canvas");
    this.facing = "user";
    this.run = null; // the current run: { abort, session, finish, frames, began }
    this.showProgress({}, 5);
    this.buttons.start.addEventListener("click", () => this.start());
    this.buttons.stop.addEventListener("click", () => this.stop("The camera is off."));
    this.buttons.finish.addEventListener("click", () => this.run && (this.run.finish = true));
    this.buttons.switch.addEventListener("click", () => this.switchCamera());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stop("The camera was stopped because the page was hidden.");
    });
  }

  async start() {
    if (this.run) return;
    const run = { abort: new AbortController(), session: "", finish: false, frames: 0 };
    this.run = run;
    run.byKeyboard = this.buttons.start.matches(":focus-visible");
    this.buttons.start.disabled = true;
    this.coach.sayNow("Waiting for the camera…", "busy");
    try {
      if (!navigator.mediaDevices?.getUserMedia) {
        throw new Error("Browsers give the camera only to pages on HTTPS or localhost. Use the Photo tab.");
      }
      const stream = await openCamera(this.facing);
      if (this.run !== run) return closeCamera(stream);
      this.video.srcObject = stream;
      await this.video.play();
      this.showOn(stream, run);
      await this.follow(run);
    } catch (error) {
      if (this.run !== run) return; // stopped meanwhile: nobody waits for this
      this.stop(REFUSALS[error.name] || error.message, "bad");
    }
  }

  // Send frames one after the other until the result is there.
  async follow(run) {
    this.coach.sayNow("Look into the camera.", "busy");
    await pause(SETTLE_MS);
    run.began = performance.now();
    while (this.run === run) {
      const sent = performance.now();
      const frame = await toDataUri(await this.capture());
      const values = [frame, run.session, run.finish, true];
      const step = await this.api.call("screen_frame", values, {
        signal: run.abort.signal,
        timeoutS: 20,
        onBusy: () => this.coach.say("The server is busy. Waiting for a place…", "busy"),
      });
      if (this.run !== run) return;
      run.session = step.session;
      run.frames += 1;
      this.show(step, run);
      if (step.result) return this.finish(step.result);
      await pause(1000 / MOST_PER_S - (performance.now() - sent));
    }
  }

  finish(result) {
    this.stop("Done. The camera is off.");
    this.buttons.start.textContent = "Check again";
    this.answer.show(result, { name: "webcam" });
  }

  stop(text, tone = "") {
    if (!this.run) return;
    this.run.abort.abort();
    this.run = null;
    closeCamera(this.video.srcObject);
    this.video.srcObject = null;
    this.stage.dataset.state = "off";
    this.overlay.getContext("2d").clearRect(0, 0, this.overlay.width, this.overlay.height);
    this.buttons.start.disabled = false;
    const hadFocus = [this.buttons.stop, this.buttons.finish].includes(document.activeElement);
    for (const name of ["stop", "finish", "switch"]) this.buttons[name].hidden = true;
    if (hadFocus) this.buttons.start.focus();
    this.rate.textContent = "";
    this.coach.sayNow(text, tone);
  }

  async switchCamera() {
    this.facing = this.facing === "user" ? "environment" : "user";
    this.stop("Changing the camera…", "busy");
    await this.start();
  }

  async showOn(stream, run) {
    const facing = stream.getVideoTracks()[0]?.getSettings().facingMode || this.facing;
    this.mirrored = facing !== "environment";
    this.stage.dataset.mirrored = this.mirrored;
    // The meters stand as the eyes do: in a mirror the person's left eye is on the left.
    this.meters.left.style.order = this.mirrored ? 0 : 2;
    this.stage.dataset.state = "on";
    this.buttons.stop.hidden = false;
    if (run.byKeyboard) this.buttons.stop.focus({ preventScroll: true });
    this.showProgress({}, 5);
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter((device) => device.kind === "videoinput");
    this.buttons.switch.hidden = cameras.length < 2;
  }

  // Frames leave unmirrored: only what the person sees is a mirror.
  capture() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const scale = Math.min(1, FRAME_WIDTH / Math.min(width, (4 / 3) * height));
    this.grab.width = Math.round(width * scale);
    this.grab.height = Math.round(height * scale);
    this.grab.getContext("2d").drawImage(this.video, 0, 0, this.grab.width, this.grab.height);
    return new Promise((resolve) => this.grab.toBlob(resolve, "image/jpeg", 0.9));
  }

  show(step, run) {
    const seconds = (performance.now() - run.began) / 1000;
    if (!step.result) this.coach.say(step.coach || "Hold still.", "busy");
    this.showProgress(step.progress, step.needed);
    this.drawBoxes(step);
    const some = Object.values(step.progress).some((count) => count > 0);
    this.buttons.finish.hidden = !(some && seconds > OFFER_FINISH_S);
    this.stage.dataset.frames = run.frames;
    if (seconds > 1) {
      this.stage.dataset.rate = (run.frames / seconds).toFixed(1);
      this.rate.textContent = `${Math.round(run.frames / seconds)} frames/s`;
    }
  }

  showProgress(progress, needed) {
    for (const [side, meter] of Object.entries(this.meters)) {
      const count = Math.min(progress[side] ?? 0, needed);
      const dots = Array.from({ length: needed }, (_, i) => h("i", { class: i < count ? "on" : "" }));
      meter.querySelector(".lb-dots").replaceChildren(...dots);
      meter.querySelector(".lb-meter-count").textContent = `${count} of ${needed}`;
    }
  }

  drawBoxes({ face, eyes }) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const ratio = window.devicePixelRatio || 1;
    this.overlay.width = width * ratio;
    this.overlay.height = height * ratio;
    const pen = this.overlay.getContext("2d");
    pen.scale(ratio, ratio);
    // The picture covers the stage: scaled to the larger side and centred.
    const scale = Math.max(width / this.grab.width, height / this.grab.height);
    const left = (width - this.grab.width * scale) / 2;
    const top = (height - this.grab.height * scale) / 2;
    const place = (box) => {
      const x = left + box.x * scale;
      const w = box.w * scale;
      return [this.mirrored ? width - x - w : x, top + box.y * scale, w, box.h * scale];
    };
    if (face) strokeBox(pen, place(face), { dash: [6, 6] });
    // Labels grow away from each other: the left one to the left, the right one to the right.
    const placed = Object.entries(eyes).map(([side, box]) => ({ side, at: place(box) }));
    placed.sort((one, other) => one.at[0] - other.at[0]);
    placed.forEach(({ side, at }, index) => {
      const outward = index === 0 && placed.length > 1;
      strokeBox(pen, at, { label: SIDES[side] ?? "Eye", outward });
    });
  }
}

function strokeBox(pen, [x, y, w, h_], { dash = [], label = "", outward = false }) {
  pen.setLineDash(dash);
  for (const [colour, line] of [["rgba(8, 20, 25, .75)", 4], ["#ffffff", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = line;
    pen.strokeRect(x, y, w, h_);
  }
  if (!label) return;
  pen.font = "600 13px system-ui, sans-serif";
  const plate = pen.measureText(label).width + 12;
  pen.fillStyle = "#0b5f7c";
  const left = outward ? x + w + 1 - plate : x - 1;
  pen.fillRect(left, y - 24, plate, 21);
  pen.fillStyle = "#ffffff";
  pen.fillText(label, left + 6, y - 9);
}

function openCamera(facing) {
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  return navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: facing, ...size } });
}

function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
