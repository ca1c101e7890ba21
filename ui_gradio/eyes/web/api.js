// The page is a client of the same public endpoints that "Use this from code" shows.

import { Problem, problemOf, reach } from "./problem.js";

export class Api {
  constructor(base) {
    this.base = base;
  }

  // Call an endpoint with its values in order; waits while the server is full.
  async call(name, values, { signal, patienceS = 30, timeoutS = 60, onBusy = () => {} } = {}) {
    const until = performance.now() + patienceS * 1000;
    for (;;) {
      try {
        return await within(timeoutS, signal, (both) => this.callOnce(name, values, both));
      } catch (error) {
        const pauseMs = 1000 * (error.retryAfterS || 0);
        if (!pauseMs || performance.now() + pauseMs > until || signal?.aborted) throw error;
        onBusy();
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  async callOnce(name, values, signal) {
    const address = new URL(`gradio_api/call/${name}`, this.base);
    const joined = await reach(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ data: values }),
      signal,
    });
    if (!joined.ok) throw await problemOf(joined);
    const { event_id } = await joined.json();
    const answered = await reach(new URL(`${address}/${event_id}`), { signal });
    if (!answered.ok) throw await problemOf(answered);
    return lastEvent(await answered.text());
  }
}

// Run with a signal that follows the visitor's and ends after a time by itself.
async function within(seconds, signal, work) {
  const both = new AbortController();
  const follow = () => both.abort();
  signal?.addEventListener("abort", follow);
  const timer = setTimeout(follow, seconds * 1000);
  try {
    return await work(both.signal);
  } catch (error) {
    if (error.name !== "AbortError" || signal?.aborted) throw error;
    throw new Problem("The server took too long. Try again.", { code: "timeout" });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", follow);
  }
}

// Server-sent events: blocks of "event:" and "data:" lines; the last complete one counts.
function lastEvent(text) {
  for (const block of text.trim().split("\n\n").reverse()) {
    const kind = /^event: (.*)$/m.exec(block)?.[1];
    if (kind !== "complete" && kind !== "error") continue;
    const data = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null");
    if (kind === "complete") return data[0];
    throw new Problem(data?.error || "The check did not finish. Try again.", {
      code: data?.title || "error",
    });
  }
  throw new Problem("The connection ended before the answer came. Try again.", { code: "cut" });
}
