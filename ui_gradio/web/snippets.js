// Lines of code that work where the page was opened, each with a button that copies it.

import { h } from "./dom.js";

export function snippet(title, text) {
  const button = h("button", { type: "button", class: "lb-button", "aria-label": `Copy: ${title}` }, "Copy");
  const pre = h("pre", { class: "lb-json", tabindex: "0", "aria-label": title }, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // No clipboard without HTTPS: select the lines, so that a key press copies them.
      getSelection().selectAllChildren(pre);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return h("div", {}, h("div", { class: "lb-snippet-head" }, h("h3", {}, title), button), pre);
}
