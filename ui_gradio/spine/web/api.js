// The routes below the page: uploads, runs, pictures, files. Errors arrive as sentences.

import { Problem, problemOf, reach } from "./problem.js";

export class Api {
  constructor(page) {
    this.page = page;
  }

  // Send files; `onProgress(sentBytes, allBytes)` is called while they go. Aborting stops it.
  upload(files, { signal, onProgress }) {
    const form = new FormData();
    for (const { file, path } of files) form.append("files", file, path);
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", new URL("uploads", this.page));
      request.responseType = "text";
      request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
      request.onload = () => {
        const answer = parsed(request.responseText);
        if (request.status < 300 && answer) resolve(answer);
        else reject(refusal(answer, request.status, request.getResponseHeader("Retry-After")));
      };
      request.onerror = () => {
        reject(new Problem("The connection was lost while the files were sent. Check it and try again."));
      };
      request.onabort = () => reject(new DOMException("Stopped", "AbortError"));
      signal.addEventListener("abort", () => request.abort());
      request.send(form);
    });
  }

  examples() {
    return this.json("examples");
  }

  // What an example would take, as an upload is answered.
  example(name) {
    return this.json(`examples/${name}`);
  }

  start(order) {
    return this.json("runs", { method: "POST", body: order });
  }

  document(run) {
    return this.json(`runs/${run}`);
  }

  shift(run, steps) {
    return this.json(`runs/${run}/shift`, { method: "POST", body: { steps } });
  }

  events(run) {
    return new EventSource(new URL(`runs/${run}/events`, this.page));
  }

  // Works while the page goes away, too.
  async forget(kind, id) {
    try {
      await fetch(new URL(`${kind}/${id}`, this.page), { method: "DELETE", keepalive: true });
    } catch {
      // It will be forgotten by its time.
    }
  }

  slice(run, plane, index, window) {
    return new URL(`runs/${run}/slices/${plane}/${index}.png?window=${window}`, this.page);
  }

  // Names can be moved, and the codes in the picture with them: `shift` keeps old pictures apart.
  labels(run, plane, index, shift) {
    return new URL(`runs/${run}/labels/${plane}/${index}.png?shift=${shift}`, this.page);
  }

  file(run, name, shift) {
    return new URL(`runs/${run}/files/${name}?shift=${shift}`, this.page);
  }

  picture(run, azimuth, shift) {
    return new URL(`runs/${run}/spine.png?azimuth=${azimuth}&shift=${shift}`, this.page);
  }

  // Yields the events of a model's download until it is complete.
  async *download(name, signal) {
    const address = new URL(`models/${name}/download`, this.page);
    const response = await reach(address, { method: "POST", signal });
    if (!response.ok) throw await problemOf(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data) yield JSON.parse(data);
      }
    }
  }

  async json(path, { method = "GET", body } = {}) {
    const response = await reach(new URL(path, this.page), {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw await problemOf(response);
    return response.json();
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refusal(answer, status, retryAfter) {
  const message = answer?.error?.message ?? `The server answered with status ${status}. Try again.`;
  return new Problem(message, { code: answer?.error?.code, retryAfterS: Number(retryAfter) || 0 });
}
