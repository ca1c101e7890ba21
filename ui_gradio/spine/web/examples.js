// The examples: spines drawn by the program while the visitor waits.

import { h } from "./dom.js";

export async function showExamples(list, { api, onRead, onProblem }) {
  try {
    const examples = await api.examples();
    list.replaceChildren(
      ...examples.map((example) => h("li", {}, cardOf(example, { api, onRead, onProblem }))),
    );
  } catch (error) {
    list.replaceChildren(h("li", { class: "lb-hint" }, error.message));
  }
}

function cardOf({ name, title, text }, { api, onRead, onProblem }) {
  const choose = async () => {
    try {
      onRead({ ...(await api.example(name)), name: `${title}, a drawing`, source: { example: name } });
    } catch (error) {
      onProblem(error);
    }
  };
  return h(
    "button",
    { type: "button", "data-example": name, onclick: choose },
    h("b", {}, title),
    h("span", {}, text),
  );
}
