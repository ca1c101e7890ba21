// Small ways to build and find elements. Text is always set as text, never parsed as HTML.

export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// A status line that a screen reader follows: said only when it changes, and not too often.
export class Coach {
  constructor(node, { everyMs = 1200 } = {}) {
    this.node = node;
    this.text = node.querySelector(".lb-coach-text");
    this.everyMs = everyMs;
    this.last = 0;
    this.waiting = null;
  }

  say(text, tone = "") {
    clearTimeout(this.waiting);
    const wait = this.last + this.everyMs - performance.now();
    if (text === this.text.textContent && tone === (this.node.dataset.tone || "")) return;
    if (wait > 0) {
      this.waiting = setTimeout(() => this.sayNow(text, tone), wait);
    } else {
      this.sayNow(text, tone);
    }
  }

  sayNow(text, tone = "") {
    clearTimeout(this.waiting);
    this.last = performance.now();
    this.text.textContent = text;
    this.node.dataset.tone = tone;
  }
}

export function saveAs(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function toDataUri(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
