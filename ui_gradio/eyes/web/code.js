// "Use this from code": lines that work for the address at which this page was opened.

import { h } from "./dom.js";
import { snippet } from "./snippets.js";

export function fillCode(body, { page, plain }) {
  const upload = new URL("upload", plain).href;
  const snippets = [
    ["curl", `curl -F file=@eye.jpg ${upload}`],
    [
      "Python, nothing but requests",
      `import requests

with open("eye.jpg", "rb") as picture:
    answer = requests.post("${upload}", files={"file": picture}, timeout=60)
answer.raise_for_status()
for side in ("left_eye", "right_eye"):
    print(side, answer.json()[side]["best_prediction"])`,
    ],
    [
      "Python with gradio_client",
      `from gradio_client import Client, handle_file

client = Client("${page}")
answer = client.predict(image=handle_file("eye.jpg"), api_name="/upload")
print(answer["left_eye"]["best_prediction"])`,
    ],
  ];
  body.replaceChildren(
    h("p", { class: "lb-hint" }, "The same functions that this page uses. Several frames of one person go to /predict, a webcam frame by frame to /screen_frame. Answers are JSON; errors have a code, a sentence and a matching HTTP status."),
    ...snippets.map(([title, text]) => snippet(title, text)),
    h(
      "p",
      { class: "lb-hint" },
      "Everything else: ",
      h("a", { href: new URL("docs", plain).href }, "plain routes"),
      ", ",
      h("a", { href: new URL("gradio_api/openapi.json", page).href }, "Gradio endpoints"),
      ".",
    ),
  );
}
